//! Handles one HTTP/2 exchange: finds its endpoint, applies rules, calls the service, forwards the response.

use std::borrow::Cow;
use std::pin::Pin;
use std::rc::Rc;

use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::time::{Instant, Sleep};

use crate::decorator::{Step, Verdict};
use crate::exchange::context::WorkerContext;
use crate::exchange::error_response::Audience;
use crate::exchange::{decorators, error_response, max_forwards};
use crate::head::Version;
use crate::head::answer::{Answer, reason_of};
use crate::head::fields::Connectivity;
use crate::head::response::{LineFolding, ResponseHead};
use crate::http2::body::{DownstreamBody, field_bytes};
use crate::http2::exchange_record::{Downstream, ExchangeRecord, Grpc};
use crate::http2::{fields, grpc};
use crate::upstream::http2::request_body::{BrokenOff, RequestBody};
use crate::upstream::http2::{SendError, TRAILER_BYTES_MAX};

/// The message to gRPC callers when a rule has answered.
const TURNED_OFF: &str = "This endpoint is turned off for the moment.";

/// The message to gRPC callers when the service has not answered. X-Sitio-Error gives the reason.
const NO_ANSWER: &str = "The service behind this sidecar did not answer.";

/// The decision on a request's head.
enum Decided {
    Forward(ExchangeRecord, Audience, Option<u64>),
    Answer(Response<DownstreamBody>),
}

/// Handles one exchange. The error is a stream that the service has reset; the downstream's stream is then
/// reset with the same code.
pub(super) async fn carry(downstream: Rc<Downstream>, request: Request<Incoming>) -> Result<Response<DownstreamBody>, BrokenOff> {
    let worker = &downstream.worker;
    let (mut parts, body) = request.into_parts();
    let (mut account, reader, forwards_left) = match decide(&downstream, &parts) {
        Decided::Answer(response) => return Ok(response),
        Decided::Forward(account, reader, forwards_left) => (account, reader, forwards_left),
    };
    let asked = RequestFacts { grpc: grpc::is_grpc(&parts.headers), head_only: parts.method == Method::HEAD };
    fields::for_service(&mut parts, &downstream.forwarded, forwards_left);
    let timeouts = worker.timeouts();
    // A gRPC call may be silent for any time: its client has its own deadline.
    let body_timeout = timeouts.body.filter(|_| !asked.grpc);
    let progress = account.progress();
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
            Ok(pass_on(worker, account, asked, response, deadline))
        }
        Ok(Err(_)) if progress.has_stalled.get() => {
            let answer = error_response::of_request(error_response::STALLED, reader);
            account.answered_by_sitio(&answer);
            Ok(counted(account, own(&answer, asked)))
        }
        Ok(Err(SendError::Reset(error))) => {
            account.reset_by_service(&error);
            Err(error.into())
        }
        Ok(Err(error)) => {
            if let SendError::Connect(error) = &error {
                account.blame(error_response::author(error));
            }
            Ok(fail(account, asked, &refusal_of(&error, reader)))
        }
        Err(_) => Ok(fail(account, asked, &error_response::timed_out(reader))),
    }
}

/// The properties of a request that affect its response.
#[derive(Debug, Clone, Copy)]
struct RequestFacts {
    grpc: bool,
    head_only: bool,
}

/// Finds the endpoint, and decides whether to call the service.
fn decide(downstream: &Downstream, parts: &Parts) -> Decided {
    let worker = &downstream.worker;
    let view = fields::view(&parts.headers);
    let asked = RequestFacts { grpc: grpc::is_grpc(&parts.headers), head_only: parts.method == Method::HEAD };
    let head = match fields::judge(parts, &view, worker.limits()) {
        Ok(head) => head,
        Err(fault) => {
            worker.count_refused(fault, downstream.address, Cow::Borrowed(parts.uri.path()));
            return Decided::Answer(own(&error_response::of_request(fault, Audience::Program), asked));
        }
    };
    let reader = if head.connectivity.accepts_html { Audience::Person } else { Audience::Program };
    let told = if asked.grpc { Grpc::Awaited } else { Grpc::No };
    let (mut account, rule) = ExchangeRecord::open(downstream, &head, told);
    if let Some(rule) = rule {
        account.answered_by_rule(&rule);
        let answer = rule.answer(std::time::Instant::now());
        let response = if asked.grpc { grpc::unavailable(&answer, TURNED_OFF) } else { own(&answer, asked) };
        account.answered(answer.status, reason_of(answer.status));
        return Decided::Answer(counted(account, response));
    }
    let step = match head.forwards_left() {
        Some(0) => Step::Answer(max_forwards::answer(&head)),
        _ => account.endpoint().map_or(Step::Forward, |endpoint| decorators::before(worker, &endpoint, &head)),
    };
    match step {
        Step::Forward => Decided::Forward(account, reader, head.forwards_left()),
        Step::Answer(answer) => {
            account.answered_by_sitio(&answer);
            Decided::Answer(counted(account, own(&answer, asked)))
        }
    }
}

/// Forwards the service's response after the decorators have seen it.
fn pass_on(
    worker: &WorkerContext,
    mut account: ExchangeRecord,
    asked: RequestFacts,
    response: Response<Incoming>,
    deadline: Option<Pin<Box<Sleep>>>,
) -> Response<DownstreamBody> {
    let (mut parts, body) = response.into_parts();
    account.has_begun();
    if field_bytes(&parts.headers) > TRAILER_BYTES_MAX {
        account.trailers_too_large();
        let answer = error_response::unintelligible(SendError::TOO_LARGE, Audience::Program);
        return if asked.grpc { grpc::too_large(&answer) } else { own(&answer, asked) };
    }
    account.answered(parts.status.as_u16(), "");
    account.look_at(&parts.headers);
    account.settle();
    fields::drop_hop_by_hop(&mut parts.headers);
    fields::drop_ours(&mut parts.headers);
    let length = declared_length(&parts.headers).filter(|_| !asked.head_only && !asked.grpc);
    // A gRPC caller would not understand a page in place of its trailers.
    if !asked.grpc && !worker.decorators().is_empty() {
        let view = fields::view(&parts.headers);
        let head = ResponseHead {
            status: parts.status.as_u16(),
            reason: "",
            version: Version::Http11,
            fields: &view,
            connectivity: Connectivity::default(),
            folds: LineFolding::None,
        };
        let verdict = account.endpoint().map_or(Verdict::Keep, |endpoint| decorators::after(worker, &endpoint, &head));
        match verdict {
            Verdict::Keep => {}
            Verdict::Edit(edits) => fields::edit(&mut parts.headers, &edits),
            Verdict::Replace(answer) => {
                account.answered_by_sitio(&answer);
                return counted(account, own(&answer, asked));
            }
        }
    }
    Response::from_parts(parts, DownstreamBody::service(body, account, deadline, length))
}

fn declared_length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Responds that the service has not answered.
fn fail(mut account: ExchangeRecord, asked: RequestFacts, answer: &Answer) -> Response<DownstreamBody> {
    account.answered(answer.status, reason_of(answer.status));
    account.ended(error_response::outcome_of(answer));
    let response = if asked.grpc { grpc::unavailable(answer, NO_ANSWER) } else { own(answer, asked) };
    counted(account, response)
}

fn refusal_of(error: &SendError, reader: Audience) -> Answer {
    match error {
        SendError::Connect(error) => error_response::of_connect(error, reader),
        SendError::Foreign => error_response::unintelligible("it does not speak HTTP/2", reader),
        SendError::Malformed => error_response::unintelligible("the head is malformed, or over 1 MiB", reader),
        SendError::Closed | SendError::Reset(_) => error_response::reset(reader),
    }
}

/// Counts one of the sidecar's own responses when it is created.
fn counted(mut account: ExchangeRecord, response: Response<DownstreamBody>) -> Response<DownstreamBody> {
    if let DownstreamBody::Own(Some(body)) = response.body() {
        account.received(body.len());
    }
    account.close();
    response
}

/// Builds one of the sidecar's own responses.
fn own(answer: &Answer, asked: RequestFacts) -> Response<DownstreamBody> {
    let body = if asked.head_only { Bytes::new() } else { answer.body.clone() };
    let mut response = Response::new(DownstreamBody::own(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    for (name, value) in &answer.fields {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
