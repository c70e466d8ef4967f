//! `/api/v1/status`: whether the counts are on disk, and how much of them is kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::api::recovery::Recovery;
use crate::api::units::instant;
use crate::model::durability::Durability;
use crate::state::AppState;
use crate::store::metrics_store::StoreSize;
use crate::store::rollup::{Keep, Resolution};

/// The response body.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    store: Store,
    /// `None` once every pod that was attached before the restart has reported, or the wait for it was given up.
    recovery: Option<Recovery>,
}

#[derive(Debug, Serialize)]
struct Store {
    durable: bool,
    not_durable_since: Option<String>,
    why: Option<String>,
    /// When the record begins.
    since: String,
    bytes_max: u64,
    /// `None` if the store cannot be read now.
    file_bytes: Option<u64>,
    slots: BTreeMap<&'static str, Slots>,
    slots_crowded_out: Option<u64>,
    windows: Windows,
    hits_not_durable: u64,
    /// Why the store is not the one that was expected; `None` if it is.
    replaced: Option<String>,
}

#[derive(Debug, Serialize)]
struct Slots {
    keeps_s: u64,
    count: Option<u64>,
    bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Windows {
    kept: u64,
    repeated: u64,
    without_room: u64,
    write_failures: u64,
}

/// `GET /api/v1/status`
pub(super) async fn told(State(plane): State<Arc<AppState>>) -> Json<Answer> {
    let size = plane.store_size().await;
    let (keeper, keeps) = (&plane.window_queue, plane.window_queue.metrics_store.keeps());
    let (durable, not_durable_since, why) = match keeper.durability() {
        Durability::Durable => (true, None, None),
        Durability::NotDurable { since_ms, why } => (false, Some(instant(since_ms)), Some(why)),
    };
    Json(Answer {
        store: Store {
            durable,
            not_durable_since,
            why,
            since: instant(plane.timeline.started_ms()),
            bytes_max: keeps.bytes_max,
            file_bytes: size.map(|size| size.file_bytes),
            slots: slots(&keeps, size),
            slots_crowded_out: size.map(|size| size.crowded_out),
            windows: Windows {
                kept: keeper.counts.written.so_far(),
                repeated: keeper.counts.repeated.so_far(),
                without_room: keeper.counts.no_room.so_far(),
                write_failures: keeper.counts.failures.so_far(),
            },
            hits_not_durable: plane.fleet.hits_not_kept(),
            replaced: plane.store_replaced().map(str::to_owned),
        },
        recovery: plane.recovery.waiting(Instant::now()).map(Recovery::from),
    })
}

fn slots(keeps: &Keep, size: Option<StoreSize>) -> BTreeMap<&'static str, Slots> {
    let of = |(name, resolution): (&'static str, Resolution)| {
        let at = resolution as usize;
        let slots = Slots {
            keeps_s: keeps.time(resolution).as_secs(),
            count: size.map(|size| size.slots[at]),
            bytes: size.map(|size| size.slot_bytes[at]),
        };
        (name, slots)
    };
    ["10s", "1m", "1h"].into_iter().zip(Resolution::ALL).map(of).collect()
}
