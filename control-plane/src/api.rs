//! The routes of the JSON API, the metrics and the probes: the same numbers as the pages, for programs.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::routing::{any, get, post};

use crate::api::problem::ProblemResponse;
use crate::state::AppState;

mod audit;
mod callers;
mod endpoints;
mod history;
mod metrics;
mod notifications;
mod openapi;
mod pods;
mod probes;
pub mod problem;
mod routes;
mod rule_results;
mod rules;
mod status;
mod tap;
mod timeline;
mod units;
mod visible;

/// Bytes of a command's body. The longest reason and a thousand pod names fit in many times over.
const BODY_BYTES_MAX: usize = 512 << 10;

/// All routes that are not dashboard pages.
pub fn routes(state: Arc<AppState>) -> Router {
    let v1 = Router::new()
        .route("/about", get(status::about))
        .route("/endpoints", get(endpoints::list))
        .route("/endpoints/{id}/callers", get(callers::of_endpoint))
        .route("/endpoints/{id}/history", get(history::of_endpoint))
        .route("/timeline", get(timeline::of_endpoints))
        .route("/status", get(status::status))
        .route("/tap", get(tap::events))
        .route("/notifications", get(notifications::list))
        .route("/notifications/test", post(notifications::test))
        .route("/pods", get(pods::list))
        .route("/audit", get(audit::list))
        .route("/rules", get(rules::list).post(rules::create))
        .route("/rules/{id}", get(rules::one).delete(rules::withdraw))
        .route("/rules/{id}/resend", post(rules::resend))
        .route("/routes", get(routes::list).post(routes::create))
        .route("/routes/{id}", get(routes::one).delete(routes::withdraw))
        .route("/openapi.json", get(openapi::document))
        .fallback(unknown_resource)
        .method_not_allowed_fallback(unsupported_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(visible::escape));
    Router::new()
        .nest("/api/v1", v1)
        .route("/api", any(unknown_resource))
        .route("/api/{*path}", any(unknown_resource))
        .route("/metrics", get(metrics::metrics))
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .with_state(state)
}

async fn unknown_resource(uri: Uri) -> ProblemResponse {
    let detail = format!("no resource at {}; see /api/v1/openapi.json", uri.path());
    ProblemResponse::new(StatusCode::NOT_FOUND, "not-found", "No such resource", detail)
}

async fn unsupported_method(method: Method, uri: Uri) -> ProblemResponse {
    let detail = format!("{} does not support {method}; see /api/v1/openapi.json", uri.path());
    ProblemResponse::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed", detail)
}
