//! The sidecar's own responses over HTTP/2, for ordinary clients and for gRPC clients.

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::head::answer::Answer;
use crate::http2::body::DownstreamBody;
use crate::http2::grpc;

/// The message to gRPC callers when a rule has answered.
pub(super) const TURNED_OFF: &str = "This endpoint is temporarily turned off.";

/// The message to gRPC callers when the service has not answered. X-Sitio-Error gives the reason.
pub(super) const NO_ANSWER: &str = "The service behind this sidecar did not answer.";

/// The properties of a request that affect its response.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestFacts {
    pub(super) grpc: bool,
    pub(super) head_only: bool,
}

/// The response for an ordinary client.
pub(super) fn plain(answer: &Answer, request: RequestFacts) -> Response<DownstreamBody> {
    let body = if request.head_only { Bytes::new() } else { answer.body.clone() };
    let mut response = Response::new(DownstreamBody::own(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    append_fields(&mut response, answer, |_| true);
    response
}

/// The response that the service is not available, in the form that the client understands. gRPC clients
/// get trailers only, with `message` and with the fields that mark the response as the sidecar's.
pub(super) fn unavailable(answer: &Answer, message: &'static str, request: RequestFacts) -> Response<DownstreamBody> {
    if !request.grpc {
        return plain(answer, request);
    }
    let mut response = Response::new(DownstreamBody::own(Bytes::new()));
    append_fields(&mut response, answer, |name| name.starts_with("X-Sitio-"));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    fields.extend(grpc::trailers(grpc::UNAVAILABLE, message));
    response
}

/// The response that replaces the service's response because its head is too large to forward.
pub(super) fn head_too_large(answer: &Answer, request: RequestFacts) -> Response<DownstreamBody> {
    let mut response = unavailable(answer, "", request);
    if request.grpc {
        response.headers_mut().extend(grpc::trailers_too_large());
    }
    response
}

fn append_fields(response: &mut Response<DownstreamBody>, answer: &Answer, is_wanted: impl Fn(&str) -> bool) {
    for (name, value) in answer.fields.iter().filter(|(name, _)| is_wanted(name)) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
}
