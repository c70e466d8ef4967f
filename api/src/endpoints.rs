//! `/api/v1/endpoints`: the metrics of every endpoint, summed over its pods.

use std::collections::BTreeMap;

use mesh::golden::class_of;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::status::Recovery;
use crate::words::words;

/// The query parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EndpointsQuery {
    /// The window, 1s to 90d, such as `5m`; by default, or with `all`: everything that is stored or was reported since.
    #[param(example = "5m")]
    pub window: Option<String>,
    /// The start of a range, used instead of a window: RFC 3339, or Unix milliseconds.
    #[param(example = "2026-11-21T14:00:00Z")]
    pub from: Option<String>,
    /// The end of the range, in the same format; now by default.
    #[param(example = "2026-11-21T15:00:00Z")]
    pub to: Option<String>,
    /// Only endpoints of this namespace.
    #[param(example = "default")]
    pub namespace: Option<String>,
    /// Only endpoints of this service.
    #[param(example = "legacy")]
    pub service: Option<String>,
}

/// The endpoints with their metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Endpoints {
    /// The window as requested.
    pub window: String,
    /// For a range: the start of its first slot. A range covers whole slots: minutes as long as they are stored, else
    /// hours.
    #[schema(format = DateTime)]
    pub from: Option<String>,
    /// For a range: the end of its last slot.
    #[schema(format = DateTime)]
    pub to: Option<String>,
    /// The time of all numbers.
    #[schema(format = DateTime)]
    pub taken_at: String,
    /// The seconds of the window with data so far.
    pub covered_s: f64,
    /// The pods that have not reported since a restart; null when none is awaited.
    pub recovery: Option<Recovery>,
    /// The endpoints, sorted by namespace, service and route.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Endpoint {
    /// A stable id for URLs: `e` and 12 hex digits.
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
    /// Requests that failed in the service: a 5xx response, or none.
    pub failed: u64,
    /// Requests that failed in the sidecar: a decorator's 5xx response, a shortage of its own, or the end of a drain.
    pub failed_by_sitio: u64,
    /// Requests whose client left before it had the whole response; they are not timed.
    pub client_gone: u64,
    /// Mean latency; null if nothing was timed. Requests that a rule answered are not timed.
    pub avg_ms: Option<f64>,
    /// The shortest latency.
    pub min_ms: Option<f64>,
    /// The median latency, within 4.4 %.
    pub p50_ms: Option<f64>,
    /// The 90th percentile of latency, within 4.4 %.
    pub p90_ms: Option<f64>,
    /// The 95th percentile of latency, within 4.4 %.
    pub p95_ms: Option<f64>,
    /// The 99th percentile of latency, within 4.4 %.
    pub p99_ms: Option<f64>,
    /// The 99.9th percentile of latency, within 4.4 %.
    pub p999_ms: Option<f64>,
    /// The longest latency.
    pub max_ms: Option<f64>,
    /// Mean time from the request's head to the response's first byte.
    pub first_byte_avg_ms: Option<f64>,
    /// The longest time to the first byte.
    pub first_byte_max_ms: Option<f64>,
    /// Requests per second over the window, or over the last 10 s if the window is `all`, including those that a rule
    /// answered. The dashboard and `sitio stat` show the same number.
    pub rps: f64,
    /// Requests per second that a rule answered; the rest reached the service.
    pub blocked_rps: f64,
    /// Responses by status code; 499 if the client left first, 0 for codes over the limit.
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
    /// When the first request arrived, since its pods started.
    #[schema(format = DateTime)]
    pub first_seen: Option<String>,
    /// When the last request was reported.
    #[schema(format = DateTime)]
    pub last_seen: Option<String>,
    /// The state that its pods have confirmed.
    pub state: EndpointState,
    /// The id of the newest rule in force.
    pub rule: Option<String>,
    /// The pods that serve it, by name.
    pub pods: Vec<String>,
}

words! {
    /// The state that the pods of an endpoint have confirmed.
    pub enum EndpointState {
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
    }
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

    /// Responses of a class, 4 for 4xx.
    pub fn class(&self, hundreds: u16) -> u64 {
        let is_of_class = |code: &str| code.parse().is_ok_and(|code| class_of(code) == hundreds);
        self.status.iter().filter(|(code, _)| is_of_class(code)).map(|(_, count)| count).sum()
    }
}
