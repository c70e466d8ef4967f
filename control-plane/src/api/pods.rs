//! `/api/v1/pods`: the pods, their state, and which revision of the rules each has confirmed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mesh::report::Resources;
use serde::Serialize;

use crate::api::units::{instant, rate};
use crate::clock::now_ms;
use crate::counts::fleet::skew::Skew;
use crate::model::pod::PodState;
use crate::query::snapshot::PodRow;
use crate::query::snapshot::take::pods;
use crate::state::AppState;

/// The response body.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    taken_at: String,
    /// The newest revision of the rules.
    revision: u64,
    pods: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    pod: String,
    pod_uid: String,
    claimants: u32,
    namespace: String,
    service: String,
    node: String,
    version: String,
    state: &'static str,
    connected: bool,
    connected_at: Option<String>,
    heard_at: String,
    rps: f64,
    resources: Option<Used>,
    /// How far its clock is ahead of the control plane's, negative if behind; and the error of that estimate.
    clock_offset_ms: Option<i64>,
    clock_error_ms: Option<u64>,
    /// The revision that it should have confirmed.
    revision_wanted: u64,
    confirmed: Option<Confirmed>,
    /// The last message from it that was refused.
    refused: Option<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    times: u64,
    at: String,
    why: String,
}

#[derive(Debug, Serialize)]
struct Used {
    memory_bytes: u64,
    memory_limit_bytes: u64,
    cpu_milli: u32,
    cpu_limit_milli: u32,
    throttled_milli: u32,
    connections: u32,
}

#[derive(Debug, Serialize)]
struct Confirmed {
    revision: u64,
    took_ms: u64,
}

/// `GET /api/v1/pods`, sorted by name.
pub(super) async fn list(State(plane): State<Arc<AppState>>) -> Json<Answer> {
    let now_ms = now_ms();
    let pods = pods(&plane, now_ms).into_iter().map(Row::from).collect();
    Json(Answer { taken_at: instant(now_ms), revision: plane.rules.state().revision, pods })
}

impl From<PodRow> for Row {
    fn from(row: PodRow) -> Self {
        let workload = &row.workload;
        Self {
            pod: workload.pod.clone(),
            pod_uid: workload.pod_uid.clone(),
            claimants: row.claimants,
            namespace: workload.namespace.clone(),
            service: workload.service.clone(),
            node: workload.node.clone(),
            version: workload.version.clone(),
            state: match row.state {
                PodState::Reporting => "reporting",
                PodState::Silent => "silent",
                PodState::Gone => "gone",
            },
            connected: row.connected_ms.is_some(),
            connected_at: row.connected_ms.map(instant),
            heard_at: instant(row.heard_ms),
            rps: rate(row.rps),
            resources: row.resources.map(Used::from),
            clock_offset_ms: row.skew.map(Skew::offset_ms),
            clock_error_ms: row.skew.and_then(Skew::error_ms),
            revision_wanted: row.revision_wanted,
            confirmed: row.confirmed.map(|(revision, took_ms)| Confirmed { revision, took_ms }),
            refused: row.refusal.map(|refusal| Refused {
                times: refusal.times,
                at: instant(refusal.at_ms),
                why: refusal.why.clone(),
            }),
        }
    }
}

impl From<Resources> for Used {
    fn from(resources: Resources) -> Self {
        let Resources { memory_bytes, memory_limit_bytes, cpu_milli, cpu_limit_milli, throttled_milli, connections, .. } =
            resources;
        Self { memory_bytes, memory_limit_bytes, cpu_milli, cpu_limit_milli, throttled_milli, connections }
    }
}
