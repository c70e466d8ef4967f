//! Forwards an exchange over HTTP/1 to a service that speaks only HTTP/2, such as a gRPC server.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use http2::error_code::ErrorCode;
use http2::frame::{EndStream, StreamId};

use crate::decorator::retry_policy::RetryCause;
use crate::exchange::context::{Scratch, WorkerContext};
use crate::exchange::error_response;
use crate::exchange::{Exchange, Repeatable};
use crate::head::write::Persistence;
use crate::http1::connection::{AfterExchange, Http1Connection, RetryWait};
use crate::http1::exchange_deadlines::ExchangeDeadlines;
use crate::http1::over_http2::request::{Http2Request, translate};
use crate::http1::over_http2::response::{Http2Response, ResponseEvents};
use crate::http1::relay::RelayError;
use crate::recorder::completed_exchange::Author;
use crate::socket::buffered_conn::{BufferedConn, Filled};
use crate::upstream::ConnectionOrigin;
use crate::upstream::http2::ServiceProtocol;
use crate::upstream::http2::connection::{Http2Upstream, poll_write_output};
use crate::upstream::service_pools::ServicePools;

mod request;
mod response;

/// How often a request is sent that the service does not process.
const ATTEMPTS_MAX: usize = 3;

/// An exchange, and the connections on both sides.
struct Bridge<'a> {
    worker: &'a WorkerContext,
    service: &'a ServicePools,
    exchange: &'a mut Exchange,
    downstream: &'a mut BufferedConn,
    upstream: &'a mut Http2Upstream,
    stream: StreamId,
    deadlines: ExchangeDeadlines<'a>,
    /// Content of the request that the service has no window for.
    waiting: Vec<u8>,
    request: RequestState,
    /// More of the request was read than what had arrived with its head, so it cannot be sent again.
    has_continued: bool,
    /// The service may have closed the pooled connection, and the request can be sent again. Nothing has been read yet.
    may_be_stale: bool,
    response: Http2Response,
}

/// How far the request has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestState {
    Open,
    Ended,
}

/// Forwards the request, whose head is in the exchange, and the response.
pub(super) async fn forward(connection: &mut Http1Connection) -> Result<AfterExchange, RelayError> {
    let worker = Rc::clone(&connection.worker);
    let service = connection.service();
    let (mut attempts, mut needs_other) = (0, false);
    loop {
        attempts += 1;
        let acquired = if needs_other { None } else { service.http2.acquire(&mut worker.scratch.borrow_mut().input) };
        let origin = if acquired.is_some() { ConnectionOrigin::Pooled } else { ConnectionOrigin::Fresh };
        let mut upstream = match acquired {
            Some(upstream) => upstream,
            None => match service.http1.connect(connection.connect_within()).await {
                Ok(connected) => Http2Upstream::new(connected.peer, Instant::now()),
                Err(error) => {
                    if error_response::author(&error) == Author::Service
                        && let Some(wait) = connection.retry_connect()
                    {
                        if connection.wait_to_retry(wait).await == RetryWait::Abandoned {
                            return Ok(connection.abandon());
                        }
                        continue;
                    }
                    if let Some(exchange) = &mut connection.exchange {
                        exchange.author = error_response::author(&error);
                    }
                    let answer = error_response::for_connect_error(&error, connection.audience());
                    return Ok(connection.fail(&answer).await);
                }
            },
        };
        match send((&worker, &service), connection, &mut upstream, origin).await {
            Ok(persistence) => {
                worker.note_http();
                let now = Instant::now();
                service.http2.release(upstream, now);
                return Ok(connection.finish_answered(persistence, now));
            }
            Err(RelayError::StaleConnection) if attempts < ATTEMPTS_MAX => {}
            Err(RelayError::Retry(wait)) => {
                needs_other = true;
                if connection.wait_to_retry(wait).await == RetryWait::Abandoned {
                    return Ok(connection.abandon());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Sends the request on this connection, and forwards the response.
async fn send(
    (worker, service): (&WorkerContext, &ServicePools),
    connection: &mut Http1Connection,
    upstream: &mut Http2Upstream,
    origin: ConnectionOrigin,
) -> Result<Persistence, RelayError> {
    let Http1Connection { exchange: Some(exchange), downstream, timer, .. } = connection else {
        return Err(RelayError::Disconnected);
    };
    let Http2Request { fields, content } = translate(exchange)?;
    let is_whole = exchange.body.is_done();
    let is_repeatable = exchange.repeatable == Repeatable::Yes;
    let end = if is_whole && content.is_empty() { EndStream::Yes } else { EndStream::No };
    let stream = upstream.connection.open(fields.iter(), end).map_err(|_| RelayError::StaleConnection)?;
    let timeouts = worker.timeouts();
    let soonest = exchange.limits(timeouts).until_response(exchange.started);
    let mut bridge = Bridge {
        worker,
        service,
        response: Http2Response::new(stream),
        exchange,
        downstream,
        upstream,
        stream,
        deadlines: ExchangeDeadlines::new(timer, soonest, timeouts),
        waiting: content,
        request: if end == EndStream::Yes { RequestState::Ended } else { RequestState::Open },
        has_continued: false,
        may_be_stale: origin == ConnectionOrigin::Pooled && is_repeatable,
    };
    let result = poll_fn(|cx| {
        if worker.is_ending() {
            return Poll::Ready(Err(RelayError::Disconnected));
        }
        if timer.has_expired() {
            bridge.check_deadlines()?;
        }
        bridge.poll(cx, &mut worker.scratch.borrow_mut())
    })
    .await;
    let result = match result {
        Err(RelayError::Reset) => Err(bridge.retry_reset()),
        result => result,
    };
    if bridge.upstream.connection.is_open(stream) {
        bridge.upstream.connection.reset(stream, ErrorCode::CANCEL);
        poll_fn(|cx| {
            // If the reset cannot be written now, the service learns of it by the end of the connection.
            let _ = poll_write_output(cx, &mut bridge.upstream.connection, &mut bridge.upstream.socket);
            Poll::Ready(())
        })
        .await;
    }
    result
}

impl Bridge<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Result<Persistence, RelayError>> {
        loop {
            let moved = self.send_request(cx, scratch)?;
            let written = poll_write_output(cx, &mut self.upstream.connection, &mut self.upstream.socket);
            written.map_err(|_| self.closed())?;
            let is_flushed = match self.downstream.poll_flush(cx) {
                Poll::Pending => false,
                Poll::Ready(flushed) => flushed.map(|()| true).map_err(|_| RelayError::Disconnected)?,
            };
            if is_flushed && self.response.is_complete() {
                return Poll::Ready(Ok(self.response.persistence()));
            }
            // The client has read what came before, so more can be read for it.
            let read = is_flushed && self.read_response(cx, scratch)?;
            if !moved && !read {
                return Poll::Pending;
            }
        }
    }

    /// Sends what has arrived of the request, as far as the service's windows allow.
    fn send_request(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<bool, RelayError> {
        if self.request == RequestState::Ended {
            return self.read_ahead(cx, scratch);
        }
        let is_whole = self.exchange.body.is_done();
        if !self.waiting.is_empty() || is_whole {
            let end = if is_whole { EndStream::Yes } else { EndStream::No };
            // A stream that the service has closed takes no more. Its response may have arrived.
            let sent = self.upstream.connection.send_data(self.stream, &self.waiting, end).unwrap_or(self.waiting.len());
            self.waiting.drain(..sent);
            if self.waiting.is_empty() && is_whole {
                self.request = RequestState::Ended;
                return Ok(true);
            }
            if !self.waiting.is_empty() {
                return Ok(sent > 0);
            }
        }
        let filled = match self.downstream.poll_fill(cx, &mut scratch.input) {
            Poll::Pending => {
                // The client may withhold its body until the service asks for it.
                let awaits_continue = self.exchange.expects && self.exchange.body.bytes == 0 && !self.response.has_head();
                if !awaits_continue {
                    self.deadlines.start_body_timeout();
                }
                return Ok(false);
            }
            Poll::Ready(Err(_) | Ok(Filled { length: 0, ended: true })) => return Err(RelayError::Disconnected),
            Poll::Ready(Ok(filled)) => filled,
        };
        self.deadlines.stop_body_timeout();
        self.has_continued = true;
        let input = &scratch.input[..filled.length];
        let carried =
            self.exchange.body.carry(input, &mut self.waiting).map_err(|fault| RelayError::MalformedRequest(fault.0))?;
        self.waiting.extend_from_slice(carried.plain);
        self.downstream.unread(&input[carried.consumed..]);
        Ok(true)
    }

    /// The request is complete: detects a disconnect.
    fn read_ahead(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<bool, RelayError> {
        match self.downstream.poll_ahead(cx, &mut scratch.input) {
            Poll::Pending => {
                if self.downstream.has_ended {
                    self.deadlines.start_abandon_grace();
                }
                Ok(false)
            }
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(_)) => Err(RelayError::Disconnected),
        }
    }

    fn read_response(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<bool, RelayError> {
        let filled = match self.upstream.socket.poll_fill(cx, &mut scratch.input) {
            Poll::Pending => return Ok(false),
            Poll::Ready(filled) => filled.map_err(|_| self.closed())?,
        };
        self.may_be_stale &= filled.length == 0;
        self.deadlines.extend_body_timeout();
        self.deadlines.extend_abandon_grace();
        let had_head = self.response.has_head();
        let input = &scratch.input[..filled.length];
        scratch.output.clear();
        let mut events = ResponseEvents {
            response: &mut self.response,
            worker: self.worker,
            service: self.service,
            exchange: self.exchange,
            out: &mut scratch.output,
        };
        let received = self.upstream.connection.receive(input, &mut events);
        self.upstream.is_proven |= self.response.has_settings();
        let sent = self.downstream.send(cx, &scratch.output, &[]);
        sent.map_err(|_| RelayError::Disconnected)?;
        if self.response.has_head() && !had_head {
            let limits = self.exchange.limits(self.worker.timeouts());
            self.deadlines.set_response(limits.until_end(self.exchange.started));
            self.exchange.record_first_byte();
            self.worker.settle(self.exchange);
        }
        match self.response.check() {
            // What was read of the request since then is lost.
            Err(RelayError::StaleConnection) if self.has_continued => return Err(RelayError::Reset),
            checked => checked?,
        }
        match received {
            Ok(_) if filled.ended && !self.response.is_complete() => Err(self.closed()),
            Ok(read) => {
                self.upstream.socket.unread_partial(&input[read..]);
                Ok(true)
            }
            Err(_) if !self.upstream.is_proven => {
                self.service.http2.set_protocol(ServiceProtocol::Unknown);
                Err(RelayError::InvalidResponse("it does not speak HTTP/2 any more"))
            }
            Err(_) if self.response.has_head() => Err(RelayError::ResponseAborted),
            Err(error) => Err(RelayError::InvalidResponse(error.reason)),
        }
    }

    /// The service's connection has ended before the response was complete.
    fn closed(&self) -> RelayError {
        if self.response.has_head() {
            RelayError::ResponseAborted
        } else if self.may_be_stale {
            RelayError::StaleConnection
        } else {
            RelayError::Reset
        }
    }

    /// The service has given up the request: sends it again if a decorator wants that, and ends the exchange if not.
    fn retry_reset(&mut self) -> RelayError {
        let retried = self.response.retry(RetryCause::Reset, self.exchange, self.worker);
        retried.map_or(RelayError::Reset, RelayError::Retry)
    }

    fn check_deadlines(&mut self) -> Result<(), RelayError> {
        let now = Instant::now();
        if self.deadlines.is_response_late(now) {
            return Err(if self.response.has_head() { RelayError::ResponseAborted } else { RelayError::TimedOut });
        }
        let is_gone = self.downstream.has_ended && self.downstream.stream().is_broken();
        if is_gone || (self.downstream.is_flushed() && self.deadlines.is_abandoned(now)) {
            return Err(RelayError::Disconnected);
        }
        if self.deadlines.is_body_late(now) && self.downstream.is_flushed() {
            return Err(RelayError::RequestStalled);
        }
        self.deadlines.arm();
        Ok(())
    }
}
