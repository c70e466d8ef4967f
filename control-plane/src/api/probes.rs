//! `/livez` and `/readyz`, for Kubernetes: not stuck; able to take requests now.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;

use crate::plane::ControlPlane;

/// Whoever answers is alive.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// After a restart numbers are too low until the sidecars have reported again. Sidecars must be able to attach until then:
/// a Service of Kubernetes that leads them here needs `publishNotReadyAddresses`.
pub(super) async fn ready(State(plane): State<Arc<ControlPlane>>) -> (StatusCode, String) {
    match plane.recovery.waiting(Instant::now()) {
        _ if plane.drain.is_cancelled() => (StatusCode::SERVICE_UNAVAILABLE, "leaving\n".to_owned()),
        Some(waiting) => (StatusCode::SERVICE_UNAVAILABLE, format!("{waiting}\n")),
        None => (StatusCode::OK, "ok\n".to_owned()),
    }
}
