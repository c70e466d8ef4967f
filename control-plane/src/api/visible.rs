//! Escapes invisible characters in JSON responses, as `\u202e`: their values stay the same.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::Response;
use mesh::visible::json;

/// Bytes of a response that are read again. Responses are built in memory, so this limit adds no bound of its own.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// Escapes the invisible characters of a JSON response.
pub(super) async fn escape(response: Response) -> Response {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
    if !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, ANSWER_BYTES_MAX).await else { return Response::from_parts(parts, Body::empty()) };
    let escaped = std::str::from_utf8(&bytes).ok().map(json).filter(|text| text.len() != bytes.len());
    let body = match escaped {
        Some(text) => {
            parts.headers.remove(CONTENT_LENGTH);
            Body::from(text.into_owned())
        }
        None => Body::from(bytes),
    };
    Response::from_parts(parts, body)
}
