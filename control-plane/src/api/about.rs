//! `/api/v1/about`: the control plane's version, start time and current time.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::api::units::instant;
use crate::clock::now_ms;
use crate::state::AppState;

/// The response body.
#[derive(Debug, Serialize)]
pub(super) struct About {
    version: &'static str,
    started_at: String,
    now_ms: u64,
}

/// `GET /api/v1/about`
pub(super) async fn told(State(plane): State<Arc<AppState>>) -> Json<About> {
    let started_at = instant(plane.started_ms);
    Json(About { version: env!("CARGO_PKG_VERSION"), started_at, now_ms: now_ms() })
}
