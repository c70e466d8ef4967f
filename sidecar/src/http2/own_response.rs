//! The sidecar's own responses over HTTP/2, for ordinary clients and for gRPC clients.

use bytes::Bytes;
use http2::hpack::Field;

use crate::exchange::context::WorkerContext;
use crate::head::answer::{Answer, reason_of};
use crate::head::write::is_sendable;
use crate::http2::grpc;
use crate::upstream::http2::field_list::FieldList;

/// A response of the sidecar itself.
#[derive(Debug)]
pub(super) struct OwnResponse {
    pub(super) fields: FieldList,
    pub(super) body: Bytes,
}

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
pub(super) fn plain(worker: &WorkerContext, answer: &Answer, request: RequestFacts) -> OwnResponse {
    let mut fields = head(worker, answer.status);
    for (name, value) in answer.fields.iter().filter(|(name, value)| is_sendable(name, value)) {
        fields.push_lower_case(name, value);
    }
    fields.push(Field::new("content-length", &answer.body.len().to_string()));
    let body = if request.head_only { Bytes::new() } else { answer.body.clone() };
    OwnResponse { fields, body }
}

/// The response that the service is not available, in the form that the client understands. gRPC clients
/// get trailers only, with `message` and with the fields that mark the response as the sidecar's.
pub(super) fn unavailable(worker: &WorkerContext, answer: &Answer, message: &str, request: RequestFacts) -> OwnResponse {
    if !request.grpc {
        return plain(worker, answer, request);
    }
    trailers_only(worker, answer, |fields| grpc::push_trailers(fields, grpc::UNAVAILABLE, message))
}

/// The response that the service has not answered in time. It may have processed the request, so gRPC clients do not get the
/// status after which most of them send it again.
pub(super) fn too_late(worker: &WorkerContext, answer: &Answer, request: RequestFacts) -> OwnResponse {
    if !request.grpc {
        return plain(worker, answer, request);
    }
    trailers_only(worker, answer, |fields| grpc::push_trailers(fields, grpc::DEADLINE_EXCEEDED, NO_ANSWER))
}

/// The response of a decorator. gRPC clients get a status of gRPC: they would not understand a page.
pub(super) fn of_decorator(worker: &WorkerContext, answer: &Answer, request: RequestFacts) -> OwnResponse {
    if !request.grpc {
        return plain(worker, answer, request);
    }
    let message = format!("A decorator of the sidecar answered {} {}.", answer.status, reason_of(answer.status));
    trailers_only(worker, answer, |fields| grpc::push_trailers(fields, grpc::code_of(answer.status), &message))
}

/// The response that replaces the service's response because its head is too large to forward.
pub(super) fn head_too_large(worker: &WorkerContext, answer: &Answer, request: RequestFacts) -> OwnResponse {
    if !request.grpc {
        return plain(worker, answer, request);
    }
    let message = "The head of the response of the service behind this sidecar is over 512 KiB.";
    trailers_only(worker, answer, |fields| grpc::push_trailers(fields, grpc::RESOURCE_EXHAUSTED, message))
}

/// A gRPC response whose head is its trailers too. gRPC needs status 200.
fn trailers_only(worker: &WorkerContext, answer: &Answer, push: impl FnOnce(&mut FieldList)) -> OwnResponse {
    let mut fields = head(worker, 200);
    for (name, value) in answer.fields.iter().filter(|(name, _)| name.starts_with("X-Sitio-")) {
        fields.push_lower_case(name, value);
    }
    fields.push(Field::new("content-type", "application/grpc"));
    push(&mut fields);
    OwnResponse { fields, body: Bytes::new() }
}

fn head(worker: &WorkerContext, status: u16) -> FieldList {
    let mut fields = FieldList::default();
    fields.push(Field::new(":status", &status.to_string()));
    let mut date = Vec::new();
    worker.dates.append(&mut date);
    fields.push(Field::new("date", &date));
    fields
}
