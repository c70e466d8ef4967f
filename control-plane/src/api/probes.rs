//! The Kubernetes probes `/livez` (not stuck) and `/readyz` (able to take requests now).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;

use crate::state::AppState;

/// Answers as long as the control plane is not stuck.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "getLiveness",
    responses(
        (status = 200, description = "Alive.", body = String, content_type = "text/plain"),
    )
)]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Answers whether the control plane can take requests now.
///
/// After a restart, totals are too low until the sidecars have reported again. Sidecars must be able to attach until then:
/// their Kubernetes Service needs `publishNotReadyAddresses`.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "getReadiness",
    responses(
        (status = 200, description = "Ready.", body = String, content_type = "text/plain"),
        (status = 503, description = "Shutting down, or not every pod that was attached before a restart has reported since; this ends 30 s after the restart at the latest.", body = String, content_type = "text/plain"),
    )
)]
pub(super) async fn ready(State(state): State<Arc<AppState>>) -> (StatusCode, String) {
    match state.recovery.waiting(Instant::now()) {
        _ if state.drain.is_cancelled() => (StatusCode::SERVICE_UNAVAILABLE, "leaving\n".to_owned()),
        Some(waiting) => (StatusCode::SERVICE_UNAVAILABLE, format!("{waiting}\n")),
        None => (StatusCode::OK, "ok\n".to_owned()),
    }
}
