//! Sign-in at an OpenID provider: whose session the claims of a user open.

use std::sync::Arc;

use openid::claims::roles_at;
use openid::code_flow::{CodeFlow, CodeFlowError, Proof};
use openid::provider::{Provider, ProviderError};
use reqwest::Url;
use serde_json::Value;

use crate::access::accounts::{Fingerprint, fingerprint, is_name};
use crate::access::openid::flow::SignInFlow;
use crate::access::openid::role_map::{Grant, RoleMap};
use crate::access::openid::settings::OpenIdSettings;
use crate::access::sessions::owner::SessionOwner;
use crate::public_url::PublicUrl;

pub(super) mod flow;
pub(super) mod pages;
pub mod role_map;
pub mod settings;

/// The path that leads to the provider.
pub(super) const BEGIN: &str = "/sign-in/openid";

/// The path that the provider leads back to, below the public URL.
pub(super) const CALLBACK: &str = "/sign-in/openid/callback";

/// Bytes of an id token that is kept for the sign-out. Without it, the provider asks the user.
const ID_TOKEN_BYTES_MAX: usize = 4096;

/// The provider, and this control plane as its client.
#[derive(Debug)]
pub struct OpenId {
    flow: CodeFlow,
    roles_claim: String,
    roles: RoleMap,
    grants: Fingerprint,
}

/// Why a sign-in at the provider opened no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenIdFailure {
    /// The code is worth nothing.
    #[error("{0}")]
    Flow(#[from] CodeFlowError),
    /// The user has no role here.
    #[error("{name} has none of the roles of SITIO_OIDC_ROLES at {claim}")]
    NoRole { name: String, claim: String },
}

impl OpenId {
    /// The provider of these settings; `None` without one. It is not asked for anything yet.
    pub fn from_settings(settings: &OpenIdSettings, public_url: Option<&PublicUrl>) -> Result<Option<Self>, String> {
        let (Some(issuer), Some(client_id)) = (settings.issuer.clone(), settings.client_id.clone()) else { return Ok(None) };
        settings.check()?;
        // What decides a role: who the users are, and what their claims are worth.
        let grants = (&issuer, &client_id, &settings.scopes, &settings.roles_claim, &settings.roles);
        let grants = fingerprint(&format!("{grants:?}"));
        let public_url = public_url.ok_or("SITIO_OIDC_ISSUER needs SITIO_PUBLIC_URL: the provider leads browsers back there")?;
        let flow = CodeFlow {
            provider: Arc::new(Provider::new(&issuer, settings.authorities()?)?),
            client_id,
            client_secret: settings.client_secret()?,
            scopes: settings.scopes.clone(),
            redirect_uri: format!("{}{CALLBACK}", public_url.address()),
            signed_out_uri: format!("{}/sign-in", public_url.address()),
        };
        let roles = settings.roles.clone().unwrap_or_default();
        Ok(Some(Self { flow, roles_claim: settings.roles_claim.clone(), roles, grants }))
    }

    /// The fingerprint of the settings that decide a user's role. A session that began under others is over.
    pub(super) fn grants(&self) -> Fingerprint {
        self.grants
    }

    /// The host of the provider, as its button names it.
    pub(super) fn name(&self) -> String {
        let url = self.flow.provider.issuer().parse::<Url>().ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The address at the provider that begins a sign-in.
    pub(super) async fn begin(&self, flow: &SignInFlow) -> Result<String, ProviderError> {
        let endpoints = self.flow.provider.endpoints().await?;
        self.flow.begin(&endpoints, proof(flow))
    }

    /// Exchanges a code for the user's claims, checks them, and returns whose session to open.
    pub(super) async fn complete(&self, code: &str, flow: &SignInFlow) -> Result<SessionOwner, OpenIdFailure> {
        let has_roles = |claims: &Value| roles_at(claims, &self.roles_claim).is_some();
        let user = self.flow.complete(code, proof(flow), has_roles).await?;
        let name = name(&user.claims, &user.subject);
        let grant = roles_at(&user.claims, &self.roles_claim).and_then(|roles| self.roles.grant(&roles));
        let Some(Grant { role, namespaces }) = grant else {
            return Err(OpenIdFailure::NoRole { name, claim: self.roles_claim.clone() });
        };
        let id_token = Some(user.id_token).filter(|token| token.len() <= ID_TOKEN_BYTES_MAX).unwrap_or_default();
        let namespaces = namespaces.map(|names| names.into_iter().collect());
        Ok(SessionOwner::OpenId { subject: user.subject, name, role, namespaces, grants: self.grants, id_token })
    }

    /// The address at the provider that ends the sign-in there, too.
    pub(super) async fn sign_out(&self, id_token: &str) -> Option<String> {
        let endpoints = self.flow.provider.endpoints().await.ok()?;
        self.flow.sign_out(&endpoints, Some(id_token).filter(|token| !token.is_empty()))
    }
}

fn proof(flow: &SignInFlow) -> Proof<'_> {
    Proof { state: &flow.state, nonce: &flow.nonce, verifier: &flow.verifier }
}

/// The user's name for the audit log: the first claim that can stand there.
fn name(claims: &Value, subject: &str) -> String {
    let claimed = ["preferred_username", "email", "name"].into_iter().filter_map(|claim| claims[claim].as_str());
    let known = claimed.chain([subject]).find(|name| is_name(name)).map(str::to_owned);
    known.unwrap_or_else(|| "openid-user".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(change: impl FnOnce(&mut OpenIdSettings)) -> Fingerprint {
        let mut settings = OpenIdSettings {
            issuer: Some("http://127.0.0.1:1".to_owned()),
            client_id: Some("sitio".to_owned()),
            scopes: "openid profile".to_owned(),
            roles_claim: "groups".to_owned(),
            roles: "admins=operator,staff=viewer:shop".parse().ok(),
            ..OpenIdSettings::default()
        };
        change(&mut settings);
        let public_url = "http://127.0.0.1:8090".parse().unwrap();
        OpenId::from_settings(&settings, Some(&public_url)).unwrap().unwrap().grants()
    }

    #[test]
    fn settings_that_decide_a_role_end_the_sessions_of_others() {
        let now = grants(|_| {});
        assert_eq!(now, grants(|_| {}), "a restart ends none");
        let changes: [fn(&mut OpenIdSettings); 6] = [
            |settings| settings.issuer = Some("http://127.0.0.1:2".to_owned()),
            |settings| settings.client_id = Some("other".to_owned()),
            |settings| settings.scopes = "openid".to_owned(),
            |settings| settings.roles_claim = "realm_access.roles".to_owned(),
            |settings| settings.roles = "admins=viewer,staff=viewer:shop".parse().ok(),
            |settings| settings.roles = "admins=operator,staff=viewer:shop+cart".parse().ok(),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            assert_ne!(now, grants(change), "change {at}");
        }
    }
}
