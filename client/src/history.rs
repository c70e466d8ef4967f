//! `/api/v1/endpoints/{id}/history`: the exchanges that the pods of an endpoint remember.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// Which exchanges.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only these, such as `5xx,404`.
    pub status: Option<String>,
    /// Which come first.
    pub first: First,
    /// Only of this pod.
    pub pod: Option<String>,
    /// How many, 1 to 1000.
    pub limit: Option<u32>,
}

/// Which come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum First {
    /// The last that happened.
    #[default]
    Newest,
    /// Those that took longest.
    Slowest,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The endpoint's id.
    pub id: String,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The route.
    pub route: String,
    /// When it was asked for, RFC 3339.
    pub taken_at: String,
    /// What they remember.
    pub exchanges: Vec<Exchange>,
    /// The pods that have answered.
    pub pods: Vec<String>,
    /// The pods that have not.
    pub missing: Vec<String>,
    /// Pods beyond those that are asked.
    pub not_asked: u64,
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// When it began, RFC 3339.
    pub started: String,
    /// The same, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// The path that was asked for.
    pub path: String,
    /// The status; 0 for a tunnel.
    pub status: u16,
    /// What there is to add to the status.
    pub reason: String,
    /// Who has ended it, and how.
    pub outcome: String,
    /// From the request's head to the response's last byte.
    pub took_ms: f64,
    /// Until the service began to answer.
    pub first_byte_ms: Option<f64>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The pod.
    pub pod: String,
    /// Whether the pod does not answer now, and has told of it before.
    pub told_before: bool,
    /// Who has called.
    pub caller: Option<String>,
    /// Of its `traceparent`.
    pub trace_id: Option<String>,
    /// The rule that answered.
    pub rule: Option<String>,
}

impl Client {
    /// What the pods of an endpoint remember. They are asked now.
    pub async fn history(&self, id: &str, wanted: &Wanted) -> Result<History, Failure> {
        let slowest = (wanted.first == First::Slowest).then(|| "true".to_owned());
        let query = [
            ("status", wanted.status.clone()),
            ("slowest", slowest),
            ("pod", wanted.pod.clone()),
            ("limit", wanted.limit.map(|limit| limit.to_string())),
        ];
        let path = ["api", "v1", "endpoints", id, "history"];
        self.get(&Question { what: "ask the pods for the history", path: &path, query: &query }).await
    }
}
