//! Sign-in at an OpenID provider: authorization code with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636).
//!
//! The `openidconnect` crate would bring 50 crates, second versions of sha2, digest and rand, and `rsa`, which has an open
//! advisory. Tokens are verified by `jsonwebtoken` with `ring`; what is here is three requests and their checks.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use openid::claims::roles_at;
use openid::key_set::{Expected, KeySet, LEEWAY};
use openid::provider::{Provider, ProviderError, json};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

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
    provider: Provider,
    client_id: String,
    client_secret: Option<String>,
    scopes: String,
    roles_claim: String,
    roles: RoleMap,
    redirect_uri: String,
    signed_out_uri: String,
    grants: Fingerprint,
}

/// Why a sign-in at the provider opened no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenIdFailure {
    /// The provider cannot be used now.
    #[error("{0}")]
    Provider(#[from] ProviderError),
    /// The provider's token is wrong.
    #[error("the provider's id token is refused: {0}")]
    Token(String),
    /// The user has no role here.
    #[error("{name} has none of the roles of SITIO_OIDC_ROLES at {claim}")]
    NoRole { name: String, claim: String },
}

#[derive(Deserialize)]
struct TokenResponse {
    id_token: String,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct IdClaims {
    sub: String,
    nonce: Option<String>,
    aud: Value,
    azp: Option<String>,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
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
        Ok(Some(Self {
            provider: Provider::new(&issuer, settings.authorities()?)?,
            client_id,
            client_secret: settings.client_secret()?,
            scopes: settings.scopes.clone(),
            roles_claim: settings.roles_claim.clone(),
            roles: settings.roles.clone().unwrap_or_default(),
            redirect_uri: format!("{}{CALLBACK}", public_url.address()),
            signed_out_uri: format!("{}/sign-in", public_url.address()),
            grants,
        }))
    }

    /// The fingerprint of the settings that decide a user's role. A session that began under others is over.
    pub(super) fn grants(&self) -> Fingerprint {
        self.grants
    }

    /// The host of the provider, as its button names it.
    pub(super) fn name(&self) -> String {
        let url = self.provider.issuer().parse::<Url>().ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The address at the provider that begins a sign-in.
    pub(super) async fn begin(&self, flow: &SignInFlow) -> Result<String, ProviderError> {
        let endpoints = self.provider.endpoints().await?;
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(flow.verifier.as_bytes()));
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &self.scopes),
            ("state", &flow.state),
            ("nonce", &flow.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        with_query(&endpoints.authorization_endpoint, &parameters)
    }

    /// Exchanges a code for the user's claims, checks them, and returns whose session to open.
    pub(super) async fn complete(&self, code: &str, flow: &SignInFlow) -> Result<SessionOwner, OpenIdFailure> {
        let endpoints = self.provider.endpoints().await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &flow.verifier),
        ];
        let request = self.provider.http().post(&endpoints.token_endpoint);
        let request = if let Some(secret) = &self.client_secret {
            // RFC 6749, section 2.3.1: both parts are form-encoded first.
            request.basic_auth(form_encoded(&self.client_id), Some(form_encoded(secret)))
        } else {
            form.push(("client_id", &self.client_id));
            request
        };
        let body = form.iter().map(|(name, value)| format!("{name}={}", form_encoded(value))).collect::<Vec<_>>().join("&");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let tokens: TokenResponse = json(request, &endpoints.token_endpoint).await?;
        let claims = self.verified(&tokens.id_token, &flow.nonce, &endpoints.issuer).await?;
        let mut others = Value::Object(claims.others);
        if roles_at(&others, &self.roles_claim).is_none()
            && let (Some(userinfo), Some(access_token)) = (&endpoints.userinfo_endpoint, &tokens.access_token)
        {
            // Providers leave claims out of the id token; this answer comes from the provider itself, over TLS.
            let info: Value = json(self.provider.http().get(userinfo).bearer_auth(access_token), userinfo).await?;
            if info["sub"] != *claims.sub {
                return Err(OpenIdFailure::Token("the user information is of another user".to_owned()));
            }
            others = info;
        }
        let name = name(&others, &claims.sub);
        let grant = roles_at(&others, &self.roles_claim).and_then(|roles| self.roles.grant(&roles));
        let Some(Grant { role, namespaces }) = grant else {
            return Err(OpenIdFailure::NoRole { name, claim: self.roles_claim.clone() });
        };
        let id_token = Some(tokens.id_token).filter(|token| token.len() <= ID_TOKEN_BYTES_MAX).unwrap_or_default();
        let namespaces = namespaces.map(|names| names.into_iter().collect());
        Ok(SessionOwner::OpenId { subject: claims.sub, name, role, namespaces, grants: self.grants, id_token })
    }

    /// The claims of an id token (OpenID Connect Core 1.0, section 3.1.3.7).
    async fn verified(&self, id_token: &str, nonce: &str, issuer: &str) -> Result<IdClaims, OpenIdFailure> {
        let wrong = |why: &str| OpenIdFailure::Token(why.to_owned());
        let kid = KeySet::kid_of(id_token).map_err(|fault| wrong(&fault.to_string()))?;
        let key = self.provider.key(kid.as_deref()).await?;
        let key = key.ok_or_else(|| wrong("it is signed by a key that the provider does not publish"))?;
        let expected = Expected { issuer: issuer.to_owned(), audience: vec![self.client_id.clone()], leeway: LEEWAY };
        let claims: IdClaims = key.verify(id_token, &expected).map_err(|fault| wrong(&fault.to_string()))?;
        if claims.nonce.as_deref() != Some(nonce) {
            return Err(wrong("it belongs to another sign-in"));
        }
        let has_others = claims.aud.as_array().is_some_and(|audiences| audiences.len() > 1);
        if claims.azp.as_ref().map_or(has_others, |azp| *azp != self.client_id) {
            return Err(wrong("it was issued to another client"));
        }
        Ok(claims)
    }

    /// The address at the provider that ends the sign-in there, too (OpenID Connect RP-Initiated Logout 1.0).
    pub(super) async fn sign_out(&self, id_token: &str) -> Option<String> {
        let endpoints = self.provider.endpoints().await.ok()?;
        let mut parameters =
            vec![("client_id", self.client_id.as_str()), ("post_logout_redirect_uri", self.signed_out_uri.as_str())];
        if !id_token.is_empty() {
            parameters.push(("id_token_hint", id_token));
        }
        with_query(endpoints.end_session_endpoint.as_ref()?, &parameters).ok()
    }
}

fn with_query(address: &str, parameters: &[(&str, &str)]) -> Result<String, ProviderError> {
    let wrong = |error| ProviderError::Answer { what: address.to_owned(), why: format!("it is no address: {error}") };
    let mut url: Url = address.parse().map_err(wrong)?;
    url.query_pairs_mut().extend_pairs(parameters);
    Ok(url.into())
}

/// Encodes a value of a form (WHATWG URL, `application/x-www-form-urlencoded`).
fn form_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
        let _ = if is_plain { write!(encoded, "{}", byte as char) } else { write!(encoded, "%{byte:02X}") };
        encoded
    })
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
