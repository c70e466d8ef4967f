//! The body of a command, as a script writes it.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::api::problem::Problem;
use crate::rules::command::Command;

/// What callers of a disabled endpoint get if nobody says otherwise.
const STATUS_DEFAULT: u16 = 503;

/// Turn this endpoint off.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Order {
    namespace: Option<String>,
    service: String,
    method: String,
    route: String,
    action: Action,
    #[serde(default)]
    pods: Vec<String>,
    ttl: Option<String>,
    reason: String,
}

/// What to do: `{"disable": {"status": 503}}`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::api) enum Action {
    Disable(Disable),
    /// Told of, and asked for at `/api/v1/routes`.
    #[serde(skip_deserializing)]
    Pin {},
}

/// Answer in the service's place.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Disable {
    #[serde(default = "status_default")]
    status: u16,
}

fn status_default() -> u16 {
    STATUS_DEFAULT
}

impl Order {
    pub(super) fn command(self) -> Result<Command, Problem> {
        let ttl = self.ttl.map(|ttl| {
            humantime::parse_duration(&ttl).map_err(|why| {
                let detail = format!("ttl {ttl:?}: {why}; write it like 15m, 1h or 7d, or leave it out to turn it on by hand");
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "command", "The command makes no sense", detail)
            })
        });
        let Action::Disable(Disable { status }) = self.action else {
            let detail = "to pin a pattern, POST {\"service\", \"pattern\"} to /api/v1/routes".to_owned();
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "command", "The command makes no sense", detail));
        };
        Ok(Command {
            namespace: self.namespace,
            service: self.service,
            method: self.method,
            route: self.route,
            action: mesh::rule::Action::Disable { status },
            pods: self.pods,
            ttl: ttl.transpose()?,
            reason: self.reason,
        })
    }
}

impl From<&mesh::rule::Action> for Action {
    fn from(action: &mesh::rule::Action) -> Self {
        match action {
            mesh::rule::Action::Disable { status } => Self::Disable(Disable { status: *status }),
            mesh::rule::Action::Pin => Self::Pin {},
        }
    }
}
