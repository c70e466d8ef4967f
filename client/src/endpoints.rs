//! `/api/v1/endpoints`: what every endpoint did, added up over its pods.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;
use crate::recovery::Recovery;

/// Which endpoints, over which stretch of time.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `5m` and the like, 1 s to 90 days; without it, everything since the pods started.
    pub window: Option<String>,
    /// The beginning of a range, RFC 3339 or Unix milliseconds; in the place of a window.
    pub from: Option<String>,
    /// Its end; without it, now.
    pub to: Option<String>,
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of this service.
    pub service: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoints {
    /// As it was asked for.
    pub window: String,
    /// Of a range: the beginning of the first of the whole slots that its numbers are the sum of, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Of a range: the end of the last slot, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The instant of all its numbers, RFC 3339.
    pub taken_at: String,
    /// How many seconds of the window there are so far.
    pub covered_s: f64,
    /// Pods that have not reported since the restart; an older control plane does not say so.
    pub recovery: Option<Recovery>,
    /// By namespace, service and route.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// A stable name: `e` and 12 hex digits.
    pub id: String,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The path, with `{id}` where requests differ.
    pub route: String,
    /// Whether the path names a file.
    pub file: bool,
    /// Requests, those answered by a rule included.
    pub hits: u64,
    /// Of those, answered by a rule.
    pub by_rule: u64,
    /// Of those, failed by the service.
    pub failed: u64,
    /// Of those, failed by the sidecar.
    pub failed_by_sitio: u64,
    /// Of those, ended by a client that left.
    pub client_gone: u64,
    /// Mean latency.
    pub avg_ms: Option<f64>,
    /// The shortest.
    pub min_ms: Option<f64>,
    /// The median.
    pub p50_ms: Option<f64>,
    /// 90 of a hundred are faster.
    pub p90_ms: Option<f64>,
    /// 95 of a hundred are faster.
    pub p95_ms: Option<f64>,
    /// 99 of a hundred are faster.
    pub p99_ms: Option<f64>,
    /// 999 of a thousand are faster.
    pub p999_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
    /// Until the service began to answer, on average.
    pub first_byte_avg_ms: Option<f64>,
    /// The longest of those.
    pub first_byte_max_ms: Option<f64>,
    /// Requests per second, whoever has answered them.
    pub rps: f64,
    /// Of those, answered by a rule.
    pub blocked_rps: f64,
    /// Answers by status code.
    pub status: BTreeMap<String, u64>,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// The largest.
    pub bytes_in_max: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
    /// The largest.
    pub bytes_out_max: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// When the first request came, RFC 3339.
    pub first_seen: Option<String>,
    /// When the last one was reported, RFC 3339.
    pub last_seen: Option<String>,
    /// What its pods have confirmed.
    pub state: State,
    /// The newest rule in force.
    pub rule: Option<String>,
    /// The pods that serve it.
    pub pods: Vec<String>,
}

/// What the pods of an endpoint have confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No rule.
    On,
    /// Off on every pod.
    Off,
    /// Off on the pods that a rule is for, while others serve.
    PartlyOff,
    /// Some pods have not confirmed.
    TurningOff,
    /// The same on the way back.
    TurningOn,
    /// A health path: no rule may turn it off.
    Protected,
    /// The shared row of everything over the limit.
    Unavailable,
    /// A word that this client does not know yet.
    #[serde(untagged)]
    Other(String),
}

impl Endpoint {
    /// Requests that the service answered, or failed to.
    pub fn served(&self) -> u64 {
        self.hits.saturating_sub(self.by_rule)
    }

    /// Of those, failed by the service or by Sitio.
    pub fn failures(&self) -> u64 {
        self.failed.saturating_add(self.failed_by_sitio)
    }

    /// Answers of a class, 4 for 4xx. From 600 on they belong to 5xx (RFC 9110, section 15).
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
