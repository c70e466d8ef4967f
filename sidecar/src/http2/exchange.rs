//! Handles one HTTP/2 exchange: finds its endpoint, applies rules, calls the service, forwards the response.

use std::borrow::Cow;
use std::pin::Pin;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response};
use tokio::time::{Instant, Sleep};

use crate::decorator::Verdict;
use crate::exchange::context::WorkerContext;
use crate::exchange::decide::Action;
use crate::exchange::error_response::Audience;
use crate::exchange::{decorators, error_response};
use crate::head::Version;
use crate::head::answer::{Answer, reason_of};
use crate::head::fields::Connectivity;
use crate::head::response::{LineFolding, ResponseHead};
use crate::http2::body::{DownstreamBody, field_bytes};
use crate::http2::exchange_record::{Downstream, ExchangeRecord, Grpc};
use crate::http2::own_response::{NO_ANSWER, RequestFacts, TURNED_OFF};
use crate::http2::{fields, grpc, own_response};
use crate::upstream::http2::request_body::{BrokenOff, RequestBody};
use crate::upstream::http2::{SendError, TRAILER_BYTES_MAX};

/// The decision on a request's head.
enum HeadDecision {
    Forward(ForwardedRequest),
    Answer(Response<DownstreamBody>),
}

/// A request that is forwarded.
struct ForwardedRequest {
    record: ExchangeRecord,
    facts: RequestFacts,
    audience: Audience,
    forwards_left: Option<u64>,
}

/// Handles one exchange. The error is a stream that the service has reset; the downstream's stream is then
/// reset with the same code.
pub(super) async fn carry(downstream: Rc<Downstream>, request: Request<Incoming>) -> Result<Response<DownstreamBody>, BrokenOff> {
    let worker = &downstream.worker;
    let (mut parts, body) = request.into_parts();
    let ForwardedRequest { mut record, facts, audience, forwards_left } = match decide_on_head(&downstream, &parts) {
        HeadDecision::Answer(response) => return Ok(response),
        HeadDecision::Forward(request) => request,
    };
    fields::for_service(&mut parts, &downstream.forwarded, forwards_left);
    let timeouts = worker.timeouts();
    // A gRPC call may be silent for any time: its client has its own deadline.
    let body_timeout = timeouts.body.filter(|_| !facts.grpc);
    let progress = record.progress();
    let request = Request::from_parts(parts, RequestBody::new(body, Rc::clone(&progress), body_timeout));
    let began = Instant::now();
    let deadline = timeouts.exchange.map(|within| Box::pin(tokio::time::sleep_until(began + within)));
    let answering = worker.http2.send(&worker.upstreams, timeouts.connect, request);
    let answered = match [timeouts.answer, timeouts.exchange].into_iter().flatten().min() {
        Some(within) => tokio::time::timeout_at(began + within, answering).await,
        None => Ok(answering.await),
    };
    match answered {
        Ok(Ok(response)) => {
            worker.note_http();
            Ok(pass_on(worker, record, facts, response, deadline))
        }
        Ok(Err(_)) if progress.has_stalled.get() => {
            let answer = error_response::for_request(error_response::STALLED, audience);
            record.answered_by_sitio(&answer);
            Ok(counted(record, own_response::plain(&answer, facts)))
        }
        Ok(Err(SendError::Reset(error))) => {
            record.abort_by_reset(&error);
            Err(error.into())
        }
        Ok(Err(error)) => {
            if let SendError::Connect(error) = &error {
                record.set_author(error_response::author(error));
            }
            Ok(fail(record, facts, &refusal_of(&error, audience)))
        }
        Err(_) => Ok(fail(record, facts, &error_response::timed_out(audience))),
    }
}

/// Validates the head, starts its exchange, and decides whether to call the service.
fn decide_on_head(downstream: &Downstream, parts: &Parts) -> HeadDecision {
    let worker = &downstream.worker;
    let view = fields::view(&parts.headers);
    let facts = RequestFacts { grpc: grpc::is_grpc(&parts.headers), head_only: parts.method == Method::HEAD };
    let head = match fields::judge(parts, &view, worker.limits()) {
        Ok(head) => head,
        Err(fault) => {
            worker.count_refused(fault, downstream.address, Cow::Borrowed(parts.uri.path()));
            return HeadDecision::Answer(own_response::plain(&error_response::for_request(fault, Audience::Program), facts));
        }
    };
    let audience = if head.connectivity.accepts_html { Audience::Person } else { Audience::Program };
    let grpc = if facts.grpc { Grpc::Awaited } else { Grpc::No };
    let (mut record, rule) = ExchangeRecord::open(downstream, &head, grpc);
    let (answer, response) = match record.decide(rule.as_deref(), &head) {
        Action::Forward => {
            let forwards_left = head.forwards_left();
            return HeadDecision::Forward(ForwardedRequest { record, facts, audience, forwards_left });
        }
        Action::AnswerByRule(answer) => {
            let response = own_response::unavailable(&answer, TURNED_OFF, facts);
            (answer, response)
        }
        Action::Answer(answer) => {
            let response = own_response::plain(&answer, facts);
            (answer, response)
        }
    };
    record.answered_by_sitio(&answer);
    HeadDecision::Answer(counted(record, response))
}

/// Forwards the service's response after the decorators have seen it.
fn pass_on(
    worker: &WorkerContext,
    mut record: ExchangeRecord,
    facts: RequestFacts,
    response: Response<Incoming>,
    deadline: Option<Pin<Box<Sleep>>>,
) -> Response<DownstreamBody> {
    let (mut parts, body) = response.into_parts();
    record.record_response_start();
    if field_bytes(&parts.headers) > TRAILER_BYTES_MAX {
        record.set_too_large("head too large");
        let answer = error_response::invalid_response(SendError::TOO_LARGE, Audience::Program);
        return counted(record, own_response::head_too_large(&answer, facts));
    }
    record.set_status(parts.status.as_u16(), "");
    record.read_grpc_status(&parts.headers);
    record.settle();
    fields::drop_hop_by_hop(&mut parts.headers);
    fields::drop_ours(&mut parts.headers);
    let length = declared_length(&parts.headers).filter(|_| !facts.head_only && !facts.grpc);
    // A gRPC caller would not understand a page in place of its trailers.
    if !facts.grpc && !worker.decorators().is_empty() {
        let view = fields::view(&parts.headers);
        let head = ResponseHead {
            status: parts.status.as_u16(),
            reason: "",
            version: Version::Http11,
            fields: &view,
            connectivity: Connectivity::default(),
            folds: LineFolding::None,
        };
        let verdict = record.endpoint().map_or(Verdict::Keep, |endpoint| decorators::after(worker, &endpoint, &head));
        match verdict {
            Verdict::Keep => {}
            Verdict::Edit(edits) => fields::edit(&mut parts.headers, &edits),
            Verdict::Replace(answer) => {
                record.answered_by_sitio(&answer);
                return counted(record, own_response::plain(&answer, facts));
            }
        }
    }
    Response::from_parts(parts, DownstreamBody::service(body, record, deadline, length))
}

fn declared_length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Responds that the service has not answered.
fn fail(mut record: ExchangeRecord, facts: RequestFacts, answer: &Answer) -> Response<DownstreamBody> {
    record.set_status(answer.status, reason_of(answer.status));
    record.set_outcome(error_response::outcome(answer));
    counted(record, own_response::unavailable(answer, NO_ANSWER, facts))
}

fn refusal_of(error: &SendError, audience: Audience) -> Answer {
    match error {
        SendError::Connect(error) => error_response::for_connect_error(error, audience),
        SendError::Foreign => error_response::invalid_response("it does not speak HTTP/2", audience),
        SendError::Malformed => error_response::invalid_response("the head is malformed, or over 1 MiB", audience),
        SendError::Closed | SendError::Reset(_) => error_response::reset(audience),
    }
}

/// Counts one of the sidecar's own responses when it is created.
fn counted(mut record: ExchangeRecord, response: Response<DownstreamBody>) -> Response<DownstreamBody> {
    if let DownstreamBody::Own(Some(body)) = response.body() {
        record.add_bytes(body.len());
    }
    record.close();
    response
}
