//! The routes of the JSON API, the metrics and the probes: the same numbers as the pages, for programs.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::routing::{any, get, post};

use crate::api::problem::Problem;
use crate::state::AppState;

mod about;
mod audit;
mod callers;
mod endpoints;
mod history;
mod metrics;
mod openapi;
mod pods;
mod probes;
pub mod problem;
mod recovery;
mod routes;
mod rules;
mod status;
mod tap;
mod timeline;
mod units;
mod visible;

/// Bytes of a command's body. The longest reason and a thousand pod names fit in many times over.
const BODY_BYTES_MAX: usize = 512 << 10;

/// All routes that are not dashboard pages.
pub fn routes(plane: Arc<AppState>) -> Router {
    let v1 = Router::new()
        .route("/about", get(about::told))
        .route("/endpoints", get(endpoints::list))
        .route("/endpoints/{id}/callers", get(callers::of_endpoint))
        .route("/endpoints/{id}/history", get(history::of_endpoint))
        .route("/timeline", get(timeline::of_endpoints))
        .route("/status", get(status::told))
        .route("/tap", get(tap::events))
        .route("/pods", get(pods::list))
        .route("/audit", get(audit::list))
        .route("/rules", get(rules::list).post(rules::create))
        .route("/rules/{id}", get(rules::one).delete(rules::withdraw))
        .route("/rules/{id}/resend", post(rules::resend))
        .route("/routes", get(routes::list).post(routes::create))
        .route("/routes/{id}", get(routes::one).delete(routes::withdraw))
        .route("/openapi.json", get(openapi::document))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_that_way)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(visible::escape));
    Router::new()
        .nest("/api/v1", v1)
        .route("/api", any(nothing_here))
        .route("/api/{*path}", any(nothing_here))
        .route("/metrics", get(metrics::told))
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .with_state(plane)
}

async fn nothing_here(uri: Uri) -> Problem {
    let detail = format!("there is nothing at {}; /api/v1/openapi.json lists what there is", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "not-found", "No such resource", detail)
}

async fn not_that_way(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}; /api/v1/openapi.json lists what it takes", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed", detail)
}
