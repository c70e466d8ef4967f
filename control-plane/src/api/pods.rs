//! `/api/v1/pods`: the pods, their state, and which revision of the rules each has confirmed.

use api::pods::{ConfirmedRevision, Pod, PodResources, PodState, Pods, RefusedMessages, ServiceListener};
use axum::Json;
use mesh::report::{ListenerState, Resources};

use crate::api::units::{instant, rate};
use crate::clock::now_ms;
use crate::counts::fleet::skew::Skew;
use crate::model::pod;
use crate::query::reader::Reader;
use crate::query::snapshot::PodRow;

/// Lists the pods that report, and the revision of the rules that each has confirmed.
#[utoipa::path(
    get,
    path = "/api/v1/pods",
    operation_id = "listPods",
    responses(
        (status = 200, description = "Sorted by name.", body = Pods),
    )
)]
pub(super) async fn list(reader: Reader) -> Json<Pods> {
    let now_ms = now_ms();
    let pods = reader.pods(now_ms).into_iter().map(Pod::from).collect();
    Json(Pods { taken_at: instant(now_ms), revision: reader.revision(), pods })
}

impl From<PodRow> for Pod {
    fn from(row: PodRow) -> Self {
        let workload = &row.workload;
        let signs = row.resources.map(|resources| resources.service).unwrap_or_default();
        Self {
            pod: workload.pod.clone(),
            pod_uid: workload.pod_uid.clone(),
            claimants: row.claimants,
            namespace: workload.namespace.clone(),
            service: workload.service.clone(),
            node: workload.node.clone(),
            version: workload.version.clone(),
            state: match row.state {
                pod::PodState::Reporting => PodState::Reporting,
                pod::PodState::Silent => PodState::Silent,
                pod::PodState::Gone => PodState::Gone,
            },
            connected: row.connected_ms.is_some(),
            connected_at: row.connected_ms.map(instant),
            heard_at: instant(row.last_message_ms),
            rps: rate(row.rps),
            resources: row.resources.map(pod_resources),
            clock_offset_ms: row.skew.map(Skew::offset_ms),
            clock_error_ms: row.skew.and_then(Skew::error_ms),
            revision_wanted: row.revision_wanted,
            confirmed: row.confirmed.map(|(revision, took_ms)| ConfirmedRevision { revision, took_ms }),
            service_listens: match signs.listener {
                ListenerState::Unknown => None,
                ListenerState::NotYet => Some(ServiceListener::NotYet),
                ListenerState::Listening => Some(ServiceListener::Listening),
                ListenerState::Gone => Some(ServiceListener::Gone),
            },
            service_restarts: signs.restarts.into(),
            oom_kills: signs.oom_kills,
            refused: row.refusal.map(|refusal| RefusedMessages {
                times: refusal.times,
                at: instant(refusal.at_ms),
                why: refusal.why.clone(),
            }),
        }
    }
}

fn pod_resources(resources: Resources) -> PodResources {
    PodResources {
        memory_bytes: resources.memory_bytes,
        memory_limit_bytes: resources.memory_limit_bytes,
        cpu_milli: resources.cpu_milli.into(),
        cpu_limit_milli: resources.cpu_limit_milli.into(),
        throttled_milli: resources.throttled_milli.into(),
        connections: resources.connections.into(),
    }
}
