//! The settings of an OpenID provider.

use std::path::PathBuf;

use decorators::provider_url::ProviderUrl;
use platform::config_file;

use crate::access::openid::role_map::RoleMap;

/// How people sign in at an OpenID provider, such as Keycloak.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OpenIdSettings {
    /// The issuer of an OpenID provider that people sign in at, such as https://keycloak.example/realms/main; it needs SITIO_PUBLIC_URL, and {public URL}/sign-in/openid/callback as redirect URI at the provider [default: none].
    #[arg(long = "oidc-issuer", env = "SITIO_OIDC_ISSUER", value_name = "URL", requires_all = ["client_id", "roles"])]
    pub issuer: Option<String>,
    /// The client id of this control plane at the provider.
    #[arg(long = "oidc-client-id", env = "SITIO_OIDC_CLIENT_ID", value_name = "ID")]
    pub client_id: Option<String>,
    /// A file with the client's secret; a public client has none.
    #[arg(long = "oidc-client-secret-file", env = "SITIO_OIDC_CLIENT_SECRET_FILE", value_name = "FILE")]
    pub client_secret_file: Option<PathBuf>,
    /// A file with the authorities that sign the provider's certificate [default: those of the system].
    #[arg(long = "oidc-ca-file", env = "SITIO_OIDC_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// What is asked of the provider.
    #[arg(long = "oidc-scopes", env = "SITIO_OIDC_SCOPES", value_name = "SCOPES", default_value = "openid profile")]
    pub scopes: String,
    /// Where the claims have the roles of a user, such as realm_access.roles for Keycloak.
    #[arg(long = "oidc-roles-claim", env = "SITIO_OIDC_ROLES_CLAIM", value_name = "PATH", default_value = "groups")]
    pub roles_claim: String,
    /// Which roles at the provider give which role here, such as admins=operator,shop-team=operator:shop+cart,staff=viewer. Other users are not let in.
    #[arg(long = "oidc-roles", env = "SITIO_OIDC_ROLES", value_name = "ROLES")]
    pub roles: Option<RoleMap>,
}

impl OpenIdSettings {
    /// Checks the address of the provider: codes and secrets are sent to it.
    pub fn check(&self) -> Result<(), String> {
        let Some(issuer) = &self.issuer else { return Ok(()) };
        ProviderUrl::check(issuer).map_err(|why| format!("SITIO_OIDC_ISSUER: {why}"))?;
        if self.roles.as_ref().is_none_or(RoleMap::is_empty) {
            return Err("SITIO_OIDC_ROLES gives no role: write, for example, admins=operator,staff=viewer".to_owned());
        }
        if !self.scopes.split(' ').any(|scope| scope == "openid") {
            return Err(format!("SITIO_OIDC_SCOPES={}: openid must be among them", self.scopes));
        }
        Ok(())
    }

    /// The client's secret.
    pub(super) fn client_secret(&self) -> Result<Option<String>, String> {
        let Some(file) = &self.client_secret_file else { return Ok(None) };
        let whence = |why: &dyn std::fmt::Display| format!("read {} (SITIO_OIDC_CLIENT_SECRET_FILE): {why}", file.display());
        let text = config_file::read(file).map_err(|why| whence(&why))?;
        mesh::token::token(&text).map(|secret| Some(secret.to_owned())).map_err(|why| whence(&why))
    }

    /// The certificates of the authorities file.
    pub(super) fn authorities(&self) -> Result<Option<Vec<reqwest::Certificate>>, String> {
        let Some(file) = &self.ca_file else { return Ok(None) };
        openid::provider::authorities(file).map(Some).map_err(|why| format!("SITIO_OIDC_CA_FILE: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_reached_by_tls_unless_it_is_on_this_machine() {
        let check = |issuer: &str, roles: &str| {
            let settings = OpenIdSettings {
                issuer: Some(issuer.into()),
                roles: roles.parse().ok(),
                scopes: "openid profile".into(),
                ..OpenIdSettings::default()
            };
            settings.check()
        };
        for issuer in ["https://sso.example/realms/main", "http://127.0.0.1:9000", "http://localhost/x"] {
            assert_eq!(check(issuer, "a=viewer"), Ok(()), "{issuer}");
        }
        for issuer in ["http://sso.example", "ftp://sso.example", "sso.example", ""] {
            assert!(check(issuer, "a=viewer").unwrap_err().contains("SITIO_OIDC_ISSUER"), "{issuer}");
        }
        assert!(check("https://sso.example", "").unwrap_err().contains("SITIO_OIDC_ROLES"));
    }
}
