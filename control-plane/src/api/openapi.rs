//! `/api/v1/openapi.json`: what the API takes and gives, for people and for generators.

use axum::http::header;
use axum::response::IntoResponse;

/// The description, kept by hand beside the code that it describes; a test asks for every path in it.
const DOCUMENT: &str = include_str!("openapi.json");

/// The document.
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
