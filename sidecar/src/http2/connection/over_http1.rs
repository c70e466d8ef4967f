//! Moves the exchanges that the service handles over HTTP/1.

use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use http2::frame::StreamId;

use crate::decorator::retry_policy::RetryCause;
use crate::exchange::context::Scratch;
use crate::exchange::error_response;
use crate::http2::connection_state::{ConnectionState, OUTPUT_BYTES_MAX, Progress};
use crate::http2::http1_upstream::{Http1Failure, Http1Upstream, IoProgress};
use crate::http2::proxied_exchange::{ResponseProgress, Route};
use crate::http2::upstream_events::ATTEMPTS_MAX;
use crate::upstream::http2::ServiceProtocol;
use crate::upstream::service_pools::ServicePools;

/// Writes the requests, and reads the responses, of all exchanges over HTTP/1.
pub(super) fn serve_http1(connection: &mut ConnectionState, cx: &mut Context<'_>, scratch: &mut Scratch) -> Progress {
    let mut progress = Progress::None;
    for (stream, mut http1) in std::mem::take(&mut connection.over_http1) {
        match serve_one_over_http1(connection, cx, scratch, stream, &mut http1) {
            Ok(served) => {
                progress = progress.or(served);
                keep_or_release(connection, stream, http1);
            }
            Err(failure) => {
                progress = Progress::Some;
                end_over_http1(connection, stream, &http1.service, failure);
            }
        }
    }
    if progress == Progress::Some {
        connection.finish_events();
    }
    progress
}

fn serve_one_over_http1(
    connection: &mut ConnectionState,
    cx: &mut Context<'_>,
    scratch: &mut Scratch,
    stream: StreamId,
    http1: &mut Http1Upstream,
) -> Result<Progress, Http1Failure> {
    if connection.exchanges.open.get(&stream).is_none_or(|exchange| exchange.route != Route::Http1) {
        return Ok(Progress::None);
    }
    let (exchanges, downstream) = (&mut connection.exchanges, &mut connection.downstream);
    let sent = http1.send_request(cx, scratch, stream, exchanges, downstream);
    let is_unread = downstream.output().len() > OUTPUT_BYTES_MAX;
    let read = if is_unread { IoProgress::Blocked } else { http1.read_response(cx, scratch, stream, exchanges, downstream)? };
    Ok(if (sent, read) == (IoProgress::Blocked, IoProgress::Blocked) { Progress::None } else { Progress::Some })
}

/// Keeps the connection while its exchange needs it. After the response, it goes back to the worker if it can be used
/// again; if the request is still under way, nothing reads its rest.
fn keep_or_release(connection: &mut ConnectionState, stream: StreamId, http1: Http1Upstream) {
    let Some(exchange) = connection.exchanges.open.get_mut(&stream).filter(|exchange| exchange.route == Route::Http1) else {
        return;
    };
    if !http1.is_complete() {
        return connection.over_http1.push((stream, http1));
    }
    let service = Rc::clone(&http1.service);
    if let Some(peer) = http1.into_reusable(exchange) {
        service.http1.release(peer, Instant::now());
    }
    exchange.route = Route::None;
    connection.exchanges.note_changed(stream);
}

/// Sends the request again if that is safe, or ends the exchange.
fn end_over_http1(connection: &mut ConnectionState, stream: StreamId, service: &ServicePools, failure: Http1Failure) {
    match failure {
        Http1Failure::SpeaksHttp2 => service.http2.set_protocol(ServiceProtocol::Unknown),
        Http1Failure::Closed => service.http2.ask_again(Instant::now()),
        Http1Failure::Stale | Http1Failure::Retry(_) | Http1Failure::BrokenOff | Http1Failure::Invalid(_) => {}
    }
    let Some(exchange) = connection.exchanges.open.get_mut(&stream) else { return };
    let is_unprocessed = matches!(failure, Http1Failure::Stale | Http1Failure::SpeaksHttp2);
    let is_awaited = exchange.progress == ResponseProgress::Awaited;
    if is_unprocessed && is_awaited && exchange.attempts < ATTEMPTS_MAX && exchange.request.rewind() {
        exchange.route = Route::Waiting;
        return connection.upstreams.wait(stream);
    }
    let retry = match failure {
        Http1Failure::Retry(wait) => Some(wait),
        Http1Failure::Closed => exchange.next_retry(RetryCause::Reset),
        _ => None,
    };
    if let Some(wait) = retry {
        return connection.exchanges.retry_after(stream, wait);
    }
    let answer = match failure {
        Http1Failure::Invalid(why) => error_response::invalid_response(why, exchange.record.audience()),
        _ => error_response::reset(exchange.record.audience()),
    };
    connection.exchanges.fail(&mut connection.downstream, stream, &answer);
}
