//! `/api/v1/about`: which version this is, since when it runs, and what its clock says.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::api::units::instant;
use crate::clock::now_ms;
use crate::plane::ControlPlane;

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct About {
    version: &'static str,
    started_at: String,
    now_ms: u64,
}

/// Tells it.
pub(super) async fn told(State(plane): State<Arc<ControlPlane>>) -> Json<About> {
    let started_at = instant(plane.started_ms);
    Json(About { version: env!("CARGO_PKG_VERSION"), started_at, now_ms: now_ms() })
}
