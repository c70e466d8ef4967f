//! The common parts of event streams: their bytes, why one is refused, and how one becomes an HTTP response.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

/// Serialized events.
pub type Events = BoxStream<'static, Bytes>;

/// Why a stream is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamRefusal {
    /// The request names no stream; the text says why.
    Unknown(String),
    /// Too many streams are open.
    Full,
}

/// A stream as an HTTP response. The headers forbid proxies to buffer events.
pub fn answer(events: Events) -> Response {
    let headers = [(CONTENT_TYPE, "text/event-stream"), (HeaderName::from_static("x-accel-buffering"), "no")];
    (headers, Body::from_stream(events.map(Ok::<_, Infallible>))).into_response()
}

impl IntoResponse for StreamRefusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown(why) => (StatusCode::BAD_REQUEST, why + "\n").into_response(),
            Self::Full => {
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], "too many live pages are open\n").into_response()
            }
        }
    }
}
