//! `/api/v1/audit`: the audit log of commands and their results.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::words::words;

/// The query parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// The maximum number of entries, at most 2000.
    #[param(minimum = 0, maximum = 2000, default = 200, example = 50)]
    pub limit: Option<u64>,
}

/// The newest entries of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// The number of entries ever written.
    pub entries: u64,
    /// The newest entries, newest first.
    pub audit: Vec<AuditLogEntry>,
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditLogEntry {
    /// The number of the entry, counting up from 1.
    pub number: u64,
    /// When it happened.
    #[schema(format = DateTime)]
    pub at: String,
    /// The author: a user's name, or `sitio` for what happened by itself.
    pub by: String,
    /// The address that the command came from; absent where there is no sign-in, and in older entries.
    pub address: Option<String>,
    /// What was done.
    pub event: AuditLogEvent,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The endpoint's method.
    pub method: String,
    /// The endpoint's route.
    pub route: String,
    /// The pods by name; empty for all.
    pub pods: Vec<String>,
    /// The status that callers get; 0 for a pin and for a decorator.
    pub status: u16,
    /// What a decorator was to do, as JSON.
    #[serde(default)]
    pub action: Option<String>,
    /// When the rule expires.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// The reason that the author gave.
    pub reason: String,
    /// Why the command was refused, or that the rule expired.
    pub note: String,
    /// The id of the rule.
    pub rule: Option<String>,
    /// The revision that it created.
    pub revision: Option<u64>,
}

words! {
    /// What was done.
    pub enum AuditLogEvent {
        /// An endpoint was turned off.
        TurnedOff,
        /// A user turned it on again.
        TurnedOn,
        /// The rule expired, and the endpoint was turned on again.
        Lapsed,
        /// A decorator was put in front of an endpoint, or a rule for some of its requests.
        Decorated,
        /// A user took it away.
        Undecorated,
        /// A pattern was pinned.
        Pinned,
        /// A user withdrew a pin.
        Unpinned,
        /// A command was refused.
        Refused,
    }
}
