//! The JSON body of a command, and the JSON form of a rule's scope and action.

use axum::http::StatusCode;
use mesh::rule::Protection;
use serde::{Deserialize, Serialize};

use crate::api::problem::Problem;
use crate::rules::command::{Command, CommandError, Unseen};

/// The status that callers of a disabled endpoint get by default.
const STATUS_DEFAULT: u16 = 503;

/// Turn this endpoint off, or everything under this prefix.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Order {
    namespace: Option<String>,
    service: String,
    method: String,
    route: String,
    #[serde(default)]
    scope: Scope,
    action: TurnOff,
    /// Absent for all pods; an empty list is refused, for it is nearly always a mistake.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(test, schemars(with = "Vec<String>", length(min = 1)))]
    pods: Option<Vec<String>>,
    ttl: Option<String>,
    reason: String,
    #[serde(default)]
    allow_unseen: bool,
    #[serde(default)]
    override_protected: bool,
    /// Answer as if it were carried out, and change nothing.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// How much of the service it covers.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum Scope {
    /// The endpoint of this method and route.
    #[default]
    Endpoint,
    /// Every endpoint whose route begins with the prefix.
    Prefix,
}

/// What a command asks for: `{"disable": {"status": 503}}`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TurnOff {
    disable: Disable,
}

/// A rule's action: a command's, or `{"pin": {}}`, which `/api/v1/routes` creates.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(in crate::api) enum Action {
    TurnOff(TurnOff),
    Pin(Pin),
}

/// Count the paths that match the route under it.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Pin {
    pin: Nothing,
}

/// An empty object.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Nothing {}

/// Answer in the service's place.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Disable {
    #[serde(default = "status_default")]
    status: u16,
}

fn status_default() -> u16 {
    STATUS_DEFAULT
}

/// Deserializes a list that is present, even if it is empty.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

impl Order {
    pub(super) fn command(self) -> Result<Command, Problem> {
        let ttl = self.ttl.map(|ttl| {
            humantime::parse_duration(&ttl).map_err(|why| {
                let detail = format!("ttl {ttl:?}: {why}; write it like 15m, 1h or 7d, or leave it out to turn it on by hand");
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "command", "The command makes no sense", detail)
            })
        });
        if self.pods.as_ref().is_some_and(Vec::is_empty) {
            return Err(CommandError::NoPods.into());
        }
        Ok(Command {
            namespace: self.namespace,
            service: self.service,
            method: self.method,
            route: self.route,
            scope: self.scope.into(),
            unseen: if self.allow_unseen { Unseen::Allowed } else { Unseen::Refused },
            protection: if self.override_protected { Protection::Overridden } else { Protection::Respected },
            action: mesh::rule::Action::Disable { status: self.action.disable.status },
            pods: self.pods.unwrap_or_default(),
            ttl: ttl.transpose()?,
            reason: self.reason,
        })
    }
}

impl From<&mesh::rule::Action> for Action {
    fn from(action: &mesh::rule::Action) -> Self {
        match action {
            mesh::rule::Action::Disable { status } => Self::TurnOff(TurnOff { disable: Disable { status: *status } }),
            mesh::rule::Action::Pin => Self::Pin(Pin { pin: Nothing {} }),
        }
    }
}

impl From<Scope> for mesh::rule::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Endpoint => Self::Endpoint,
            Scope::Prefix => Self::Prefix,
        }
    }
}

impl From<mesh::rule::Scope> for Scope {
    fn from(scope: mesh::rule::Scope) -> Self {
        match scope {
            mesh::rule::Scope::Endpoint => Self::Endpoint,
            mesh::rule::Scope::Prefix => Self::Prefix,
        }
    }
}
