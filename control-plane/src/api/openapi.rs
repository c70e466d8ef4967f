//! `/api/v1/openapi.json`: the OpenAPI description of the API, for people and for code generators.

use axum::http::header;
use axum::response::IntoResponse;

/// The description, maintained by hand beside the code that it describes; a test requests every path in it.
const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /api/v1/openapi.json`
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
