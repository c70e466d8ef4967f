//! `/api/v1/endpoints`: the metrics of every endpoint, summed over its pods.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;
use crate::recovery::Recovery;

/// Which endpoints, over which time range.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// A window such as `5m`, 1 s to 90 days; `None` means everything since the pods started.
    pub window: Option<String>,
    /// The start of a range, RFC 3339 or Unix milliseconds; used instead of a window.
    pub from: Option<String>,
    /// The end of a range; `None` means now.
    pub to: Option<String>,
    /// Only endpoints of this namespace.
    pub namespace: Option<String>,
    /// Only endpoints of this service.
    pub service: Option<String>,
}

/// The response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The window as requested.
    pub window: String,
    /// For a range: the start of its first slot, RFC 3339. A range covers whole slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// For a range: the end of its last slot, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The time of all numbers, RFC 3339.
    pub taken_at: String,
    /// The seconds of the window with data so far.
    pub covered_s: f64,
    /// Pods that have not reported since the restart; an older control plane does not send this.
    pub recovery: Option<Recovery>,
    /// The endpoints, sorted by namespace, service and route.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// A stable id: `e` and 12 hex digits.
    pub id: String,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The path, with `{id}` where requests vary.
    pub route: String,
    /// Whether the path names a file.
    pub file: bool,
    /// Requests, including those that a rule answered.
    pub hits: u64,
    /// Requests that a rule answered.
    pub by_rule: u64,
    /// Requests that failed in the service.
    pub failed: u64,
    /// Requests that failed in the sidecar.
    pub failed_by_sitio: u64,
    /// Requests whose client left.
    pub client_gone: u64,
    /// Mean latency.
    pub avg_ms: Option<f64>,
    /// The shortest latency.
    pub min_ms: Option<f64>,
    /// The median latency.
    pub p50_ms: Option<f64>,
    /// The 90th percentile of latency.
    pub p90_ms: Option<f64>,
    /// The 95th percentile of latency.
    pub p95_ms: Option<f64>,
    /// The 99th percentile of latency.
    pub p99_ms: Option<f64>,
    /// The 99.9th percentile of latency.
    pub p999_ms: Option<f64>,
    /// The longest latency.
    pub max_ms: Option<f64>,
    /// Mean time to the first byte of the response.
    pub first_byte_avg_ms: Option<f64>,
    /// The longest time to the first byte.
    pub first_byte_max_ms: Option<f64>,
    /// Requests per second, including those that a rule answered.
    pub rps: f64,
    /// Requests per second that a rule answered.
    pub blocked_rps: f64,
    /// Responses by status code.
    pub status: BTreeMap<String, u64>,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of the largest request body.
    pub bytes_in_max: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
    /// Bytes of the largest response body.
    pub bytes_out_max: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// When the first request arrived, RFC 3339.
    pub first_seen: Option<String>,
    /// When the last request was reported, RFC 3339.
    pub last_seen: Option<String>,
    /// The state that its pods have confirmed.
    pub state: State,
    /// The id of the newest rule in force.
    pub rule: Option<String>,
    /// The pods that serve it.
    pub pods: Vec<String>,
}

/// The state that the pods of an endpoint have confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No rule applies.
    On,
    /// Off on every pod.
    Off,
    /// Off on the pods of a rule, while other pods serve it.
    PartlyOff,
    /// Some pods have not confirmed the rule.
    TurningOff,
    /// Some pods have not confirmed the end of the rule.
    TurningOn,
    /// A health path; no rule may disable it.
    Protected,
    /// The shared row for everything over the limit.
    Unavailable,
    /// A state that this client does not know yet.
    #[serde(untagged)]
    Other(String),
}

impl Endpoint {
    /// Requests that no rule answered.
    pub fn served(&self) -> u64 {
        self.hits.saturating_sub(self.by_rule)
    }

    /// Requests that failed, in the service or in Sitio.
    pub fn failures(&self) -> u64 {
        self.failed.saturating_add(self.failed_by_sitio)
    }

    /// Responses of a class, 4 for 4xx. A status of 600 or more counts as a 5xx (RFC 9110, section 15).
    pub fn class(&self, hundreds: u16) -> u64 {
        let of_class = |code: &str| code.parse::<u16>().is_ok_and(|code| (code / 100).min(5) == hundreds);
        self.status.iter().filter(|(code, _)| of_class(code)).map(|(_, count)| count).sum()
    }
}

impl Client {
    /// Lists the endpoints.
    pub async fn endpoints(&self, wanted: &Wanted) -> Result<Endpoints, Failure> {
        self.get(&Question {
            what: "list the endpoints",
            path: &["api", "v1", "endpoints"],
            query: &[
                ("window", wanted.window.clone()),
                ("from", wanted.from.clone()),
                ("to", wanted.to.clone()),
                ("namespace", wanted.namespace.clone()),
                ("service", wanted.service.clone()),
            ],
        })
        .await
    }
}
