//! `/api/v1/endpoints/{id}/history`: the recent exchanges that the pods of an endpoint keep.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// Which exchanges to return.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only these statuses, such as `5xx,404`.
    pub status: Option<String>,
    /// The sort order.
    pub first: First,
    /// Only exchanges of this pod.
    pub pod: Option<String>,
    /// The maximum number, 1 to 1000.
    pub limit: Option<u32>,
}

/// The sort order of exchanges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum First {
    /// The newest first.
    #[default]
    Newest,
    /// The slowest first.
    Slowest,
}

/// The response.
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
    /// When the data was taken, RFC 3339.
    pub taken_at: String,
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// The pods that have answered.
    pub pods: Vec<String>,
    /// The pods that have not answered.
    pub missing: Vec<String>,
    /// The number of pods over the limit, which were not asked.
    pub not_asked: u64,
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// When it began, RFC 3339.
    pub started: String,
    /// The same time, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// The requested path.
    pub path: String,
    /// The status; 0 for a TCP pass-through connection.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// How it ended, and by which side.
    pub outcome: String,
    /// From the request's head to the response's last byte.
    pub took_ms: f64,
    /// Time to the first byte of the response.
    pub first_byte_ms: Option<f64>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The pod.
    pub pod: String,
    /// Whether the pod is not available now; the control plane kept the exchange from an earlier report.
    pub told_before: bool,
    /// The caller.
    pub caller: Option<String>,
    /// The trace id of its `traceparent`.
    pub trace_id: Option<String>,
    /// The id of the rule that answered.
    pub rule: Option<String>,
}

impl Client {
    /// Returns the recent exchanges of an endpoint. The control plane asks the pods for them.
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
