//! `jwt`: lets only requests pass that have a valid access token of an OpenID provider, such as Keycloak.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::claim_rules::{check_forward, check_names};
use crate::invalid::{Invalid, require};
use crate::provider_url::ProviderUrl;
use crate::time_span::TimeSpan;

/// The longest leeway: a longer one would keep tokens alive that have expired.
const LEEWAY_MAX: Duration = Duration::from_secs(5 * 60);

/// Requires an access token in `Authorization: Bearer` (RFC 6750, section 2.1). It fails closed: while a token cannot be verified,
/// no request passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The issuer, such as `https://keycloak.example/realms/shop`. Its keys are found by OpenID Connect discovery.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "https://keycloak.example/realms/shop"))]
    pub issuer: ProviderUrl,
    /// The recipients that a token may name: one of these.
    pub audience: Vec<String>,
    /// The algorithms that tokens may be signed by. The key decides which of them it is.
    #[serde(default = "all_algorithms", skip_serializing_if = "is_all_algorithms")]
    pub algorithms: Vec<TokenAlgorithm>,
    /// The realm roles that the user must have, all of them (`realm_access.roles`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The roles of clients that the user must have, all of them (`resource_access.CLIENT.roles`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub client_roles: BTreeMap<String, Vec<String>>,
    /// The scopes that the token must have, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// How far the clock of the issuer may differ, 0s to 5m; 30s if it is absent.
    #[serde(default = "leeway_default", skip_serializing_if = "is_leeway_default")]
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "30s"))]
    pub leeway: TimeSpan,
    /// Fields for the service, each with the path of its claim: `X-User: sub`. A client's own fields of these names are removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub forward: BTreeMap<String, String>,
    /// Whether the service gets the token.
    #[serde(default, skip_serializing_if = "TokenField::is_kept")]
    pub token: TokenField,
    /// A file with the authorities that sign the issuer's certificate; those of the system if it is absent. Only in a file of
    /// decorators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// An algorithm that signs with a private key (RFC 7518, section 3.1; RFC 8037). There is no `none`, and none with a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "they are the names of the standard")]
pub enum TokenAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl TokenAlgorithm {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::RS256, Self::RS384, Self::RS512, Self::PS256, Self::PS384, Self::PS512, Self::ES256, Self::ES384, Self::EdDSA];
}

/// Whether the service gets the field with the token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TokenField {
    /// It does.
    #[default]
    Keep,
    /// It does not.
    Remove,
}

impl TokenField {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_kept(&self) -> bool {
        *self == Self::Keep
    }
}

fn all_algorithms() -> Vec<TokenAlgorithm> {
    TokenAlgorithm::ALL.to_vec()
}

fn is_all_algorithms(algorithms: &[TokenAlgorithm]) -> bool {
    algorithms == TokenAlgorithm::ALL
}

fn leeway_default() -> TimeSpan {
    TimeSpan(Duration::from_secs(30))
}

fn is_leeway_default(leeway: &TimeSpan) -> bool {
    *leeway == leeway_default()
}

impl Jwt {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        require(!self.audience.is_empty(), || {
            "jwt: `audience` is required: without it, a token for any other service of the realm would do".to_owned()
        })?;
        require(!self.algorithms.is_empty(), || "jwt: `algorithms` is empty, so no token could be valid".to_owned())?;
        require(self.leeway.0 <= LEEWAY_MAX, || "jwt: `leeway` is 0s to 5m".to_owned())?;
        check_names("jwt: `audience`", &self.audience)?;
        check_names("jwt: `roles`", &self.roles)?;
        check_names("jwt: `client_roles`", self.client_roles.keys())?;
        self.client_roles.values().try_for_each(|roles| check_names("jwt: `client_roles`", roles))?;
        check_names("jwt: `scopes`", &self.scopes)?;
        check_forward("jwt", &self.forward)
    }
}
