//! The Kubernetes probes `/livez` (not stuck) and `/readyz` (able to take requests now).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;

use crate::state::AppState;

/// `GET /livez`: any response means alive.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: after a restart, totals are too low until the sidecars have reported again. Sidecars must be able to
/// attach until then: their Kubernetes Service needs `publishNotReadyAddresses`.
pub(super) async fn ready(State(state): State<Arc<AppState>>) -> (StatusCode, String) {
    match state.recovery.waiting(Instant::now()) {
        _ if state.drain.is_cancelled() => (StatusCode::SERVICE_UNAVAILABLE, "leaving\n".to_owned()),
        Some(waiting) => (StatusCode::SERVICE_UNAVAILABLE, format!("{waiting}\n")),
        None => (StatusCode::OK, "ok\n".to_owned()),
    }
}
