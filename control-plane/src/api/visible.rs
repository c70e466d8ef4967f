//! JSON answers in which nothing is hidden: letters that cannot be seen are sent as `\u202e`, which keeps their values.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::Response;
use mesh::visible::json;

/// Bytes of an answer that are read again. Answers are built in memory, so this bounds nothing that is not bounded before.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// Escapes the hidden letters of a JSON answer.
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
