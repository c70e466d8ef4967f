//! `/api/v1/routes`: the pinned route patterns of services.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rules::{Receipt, RuleState};

/// A command that pins a route pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinCommand {
    /// The service's namespace; `default` if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The service.
    pub service: String,
    /// The pattern: `{name}` matches one segment, a last `{name...}` matches any rest.
    #[schema(example = "/users/{name}")]
    pub pattern: String,
    /// The reason.
    #[serde(default)]
    pub reason: String,
}

/// The pinned patterns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Routes {
    /// The newest revision of the rules.
    pub revision: u64,
    /// The pinned patterns, newest first.
    pub routes: Vec<Route>,
}

/// A pinned pattern: on every pod, the route of the paths of the service that match it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Route {
    /// Its id.
    pub id: String,
    /// The revision that created it.
    pub revision: u64,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The pattern: `{name}` matches one segment, a last `{name...}` matches any rest. If several match, the most specific
    /// applies: compared from the left, a word comes before `{name}`, and that before `{name...}`.
    #[schema(example = "/users/{name}")]
    pub pattern: String,
    /// The reason that the author gave.
    pub reason: String,
    /// The author.
    pub by: String,
    /// Whether the pods apply it.
    pub state: RuleState,
    /// When it was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The receipt of each pod.
    pub pods: Vec<Receipt>,
}
