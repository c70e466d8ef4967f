//! `login`: signs people in at an OpenID provider, in front of a service that knows nothing of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::claim_rules::{check_forward, check_names};
use crate::invalid::{Invalid, require};
use crate::provider_url::ProviderUrl;
use crate::time_span::TimeSpan;

/// The paths that it answers itself, below the service's public URL.
pub const LOGIN_PREFIX: &str = "/.sitio/login/";

/// The shortest and the longest session.
const SESSION: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(30 * 24 * 60 * 60);

/// Bytes of the scopes together.
const SCOPES_BYTES_MAX: usize = 1024;

/// Signs people in by authorization code with PKCE (OpenID Connect Core 1.0, section 3.1), and keeps an encrypted cookie. It fails
/// closed: without a session, no request passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The issuer, such as `https://keycloak.example/realms/shop`.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "https://keycloak.example/realms/shop"))]
    pub issuer: ProviderUrl,
    /// The id of the client at the provider.
    pub client_id: String,
    /// The URL at which browsers reach the service, without a path. The provider needs `{public_url}/.sitio/login/callback` as
    /// redirect URI, and `{public_url}/.sitio/login/signed-out` for after the sign-out.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "https://shop.example"))]
    pub public_url: ProviderUrl,
    /// A file with the secret of the client; a public client has none. Only in a file of decorators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<String>,
    /// A file with 32 bytes or more that encrypt the cookies of all pods. Without it, each pod makes a key at its start. Only in a
    /// file of decorators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// What is asked of the provider.
    #[serde(default = "scopes_default", skip_serializing_if = "is_scopes_default")]
    #[cfg_attr(feature = "schema", schema(default = "openid profile"))]
    pub scopes: String,
    /// The realm roles that the user must have, all of them (`realm_access.roles`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The roles of clients that the user must have, all of them (`resource_access.CLIENT.roles`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub client_roles: BTreeMap<String, Vec<String>>,
    /// Fields for the service, each with the path of its claim: `X-User: sub`. A client's own fields of these names are removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub forward: BTreeMap<String, String>,
    /// How long a session lasts, 1m to 30d; 8h if it is absent.
    #[serde(default = "session_default", skip_serializing_if = "is_session_default")]
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "8h"))]
    pub session: TimeSpan,
    /// A file with the authorities that sign the issuer's certificate; those of the system if it is absent. Only in a file of
    /// decorators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

fn scopes_default() -> String {
    "openid profile".to_owned()
}

fn is_scopes_default(scopes: &str) -> bool {
    scopes == scopes_default()
}

fn session_default() -> TimeSpan {
    TimeSpan(Duration::from_secs(8 * 60 * 60))
}

fn is_session_default(session: &TimeSpan) -> bool {
    *session == session_default()
}

impl Login {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        require(SESSION.contains(&self.session.0), || "login: `session` is 1m to 30d".to_owned())?;
        let has_openid = self.scopes.split(' ').any(|scope| scope == "openid");
        require(has_openid && self.scopes.len() <= SCOPES_BYTES_MAX, || "login: `scopes` must have openid".to_owned())?;
        let url = self.public_url.as_str();
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        require(path.is_empty(), || {
            "login: `public_url` has a path: a service below a path needs a proxy that removes it".to_owned()
        })?;
        check_names("login: `client_id`", [&self.client_id])?;
        check_names("login: `roles`", &self.roles)?;
        check_names("login: `client_roles`", self.client_roles.keys())?;
        self.client_roles.values().try_for_each(|roles| check_names("login: `client_roles`", roles))?;
        check_forward("login", &self.forward)
    }
}
