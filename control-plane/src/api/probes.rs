//! `/livez` and `/readyz`, for Kubernetes: not stuck; able to take requests now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use crate::plane::ControlPlane;

/// Whoever answers is alive.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Rules and numbers are at hand from the first request on; only who is leaving is not ready.
pub(super) async fn ready(State(plane): State<Arc<ControlPlane>>) -> (StatusCode, &'static str) {
    if plane.drain.is_cancelled() { (StatusCode::SERVICE_UNAVAILABLE, "leaving\n") } else { (StatusCode::OK, "ok\n") }
}
