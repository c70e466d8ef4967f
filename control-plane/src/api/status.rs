//! `/api/v1/status` and `/api/v1/about`: whether counts are durable, and the control plane's version and clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use api::status::{About, Recovery, Replica, Replication, Status, StoreStatus, StoredSlots, StoredWindows};
use axum::Json;
use axum::extract::State;

use crate::api::units::{instant, rate};
use crate::clock::now_ms;
use crate::model;
use crate::model::durability::Durability;
use crate::model::recovery_progress::RecoveryWaiting;
use crate::model::replicas::Replicas;
use crate::state::AppState;
use crate::store::metrics_store::StoreSize;
use crate::store::rollup::{Keep, Resolution};

/// Returns version, start time and clock of the control plane.
#[utoipa::path(
    get,
    path = "/api/v1/about",
    operation_id = "about",
    responses(
        (status = 200, description = "Always.", body = About),
    )
)]
pub(super) async fn about(State(state): State<Arc<AppState>>) -> Json<About> {
    let (version, started_at) = (env!("CARGO_PKG_VERSION").to_owned(), instant(state.started_ms));
    Json(About { version, started_at, now_ms: now_ms() })
}

/// Returns whether the counts are on disk, and how many of them are stored.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    operation_id = "readStatus",
    responses(
        (status = 200, description = "Always, also while nothing can be written.", body = Status),
    )
)]
pub(super) async fn status(State(state): State<Arc<AppState>>) -> Json<Status> {
    let size = state.store_size().await;
    let (queue, keeps) = (&state.window_queue, state.window_queue.metrics_store.keeps());
    let (durable, not_durable_since, why) = match queue.durability() {
        Durability::Durable => (true, None, None),
        Durability::NotDurable { since_ms, why, .. } => (false, Some(instant(since_ms)), Some(why)),
    };
    Json(Status {
        store: StoreStatus {
            durable,
            not_durable_since,
            why,
            since: instant(state.timeline.started_ms()),
            bytes_max: keeps.bytes_max,
            file_bytes: size.map(|size| size.file_bytes),
            slots: slots(&keeps, size),
            slots_crowded_out: size.map(|size| size.crowded_out),
            windows: StoredWindows {
                kept: queue.counts.written.so_far(),
                repeated: queue.counts.repeated.so_far(),
                without_room: queue.counts.no_room.so_far(),
                write_failures: queue.counts.failures.so_far(),
            },
            hits_not_durable: state.fleet.hits_not_kept(),
            replaced: state.store_replaced().map(str::to_owned),
        },
        recovery: state.recovery.waiting(Instant::now()).map(Recovery::from),
        replication: state.replicas().map(replication),
    })
}

fn replication(replicas: Replicas) -> Replication {
    let replica = |replica: model::replicas::Replica| Replica {
        name: replica.name,
        address: replica.address,
        behind_messages: replica.behind_messages,
        behind_s: replica.behind.map(|behind| behind.as_secs()),
        silent_s: replica.silent.as_secs(),
    };
    Replication {
        leader: replicas.leader,
        since: instant(replicas.since_ms),
        term: replicas.term,
        nats_unreachable_since: replicas.nats_unreachable_since_ms.map(instant),
        replicas: replicas.each.into_iter().map(replica).collect(),
    }
}

fn slots(keeps: &Keep, size: Option<StoreSize>) -> BTreeMap<String, StoredSlots> {
    let of = |(name, resolution): (&str, Resolution)| {
        let at = resolution as usize;
        let slots = StoredSlots {
            keeps_s: keeps.time(resolution).as_secs(),
            count: size.map(|size| size.slots[at]),
            bytes: size.map(|size| size.slot_bytes[at]),
        };
        (name.to_owned(), slots)
    };
    ["10s", "1m", "1h"].into_iter().zip(Resolution::ALL).map(of).collect()
}

impl From<RecoveryWaiting> for Recovery {
    fn from(waiting: RecoveryWaiting) -> Self {
        let restarted_s = rate(waiting.elapsed.as_secs_f64());
        Self { pods_reported: waiting.reported as u64, pods: waiting.of as u64, restarted_s }
    }
}
