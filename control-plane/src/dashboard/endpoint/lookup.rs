//! Finds the endpoint that an address names.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::dashboard::page::PageError;
use crate::query::snapshot::{EndpointRow, Snapshot};

/// The endpoint with this id, or a 404 page.
pub fn find<'a>(snapshot: &'a Snapshot, id: &str) -> Result<&'a EndpointRow, Box<PageError>> {
    let words = "No endpoint has this address. The control plane drops endpoints whose pods are gone for long.";
    snapshot.endpoints.iter().find(|row| row.id == id).ok_or_else(|| PageError::not_found(words))
}

pub(crate) fn unknown(why: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "detail": why }))).into_response()
}
