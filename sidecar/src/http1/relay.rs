//! Forwards one exchange over HTTP/1 in both directions at once, until the response is complete.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::body::Body;
use crate::decorator::retry_policy::RetryCause;
use crate::exchange::context::{Scratch, WorkerContext};
use crate::exchange::{Exchange, Repeatable};
use crate::head::write::Persistence;
use crate::http1::exchange_deadlines::ExchangeDeadlines;
use crate::socket::buffered_conn::{BufferedConn, Filled};
use crate::socket::deadlines::Deadline;
use crate::upstream::Upstream;

mod response;

/// How an exchange was forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RelayOutcome {
    /// The response is complete.
    Complete,
    /// The connections have switched to another protocol.
    Upgraded,
}

/// Why an exchange was not forwarded to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RelayError {
    /// The pooled connection was already closed. The request can be sent on another one.
    StaleConnection,
    /// No response for the client. The request is to be sent again on another connection, after this time.
    Retry(Duration),
    /// No response: the service closed or reset the connection.
    Reset,
    /// No response before the deadline.
    TimedOut,
    /// The service has sent SETTINGS: it speaks HTTP/2 only.
    SpeaksHttp2,
    /// No valid response.
    InvalidResponse(&'static str),
    /// The response was aborted after part of it was forwarded.
    ResponseAborted,
    /// The request violated its own framing.
    MalformedRequest(&'static str),
    /// The request's body stopped arriving.
    RequestStalled,
    /// The downstream has disconnected, or the worker disconnects it.
    Disconnected,
}

/// An exchange and its two connections.
pub(super) struct Relay<'a> {
    worker: &'a WorkerContext,
    exchange: &'a mut Exchange,
    downstream: &'a mut BufferedConn,
    upstream: &'a mut Upstream,
    timer: &'a Deadline,
    deadlines: ExchangeDeadlines<'a>,
    request: RequestProgress,
    response: ResponseProgress,
    interims: usize,
    persistence: Persistence,
}

/// The state of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestProgress {
    Unsent,
    Sending,
    /// A write has failed: the service accepts no more of the request. Its response may have arrived anyway.
    Unwanted,
}

/// The state of the response.
enum ResponseProgress {
    Silent,
    Begun,
    Body { body: Body, reusable: bool },
    Complete { reusable: bool },
}

/// The result of one step in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Moved,
    Blocked,
    /// The response to an upgrade was forwarded.
    Upgraded,
}

impl<'a> Relay<'a> {
    /// Prepares to forward an exchange.
    pub(super) fn new(
        worker: &'a WorkerContext,
        exchange: &'a mut Exchange,
        downstream: &'a mut BufferedConn,
        upstream: &'a mut Upstream,
        timer: &'a Deadline,
    ) -> Self {
        let timeouts = worker.timeouts();
        let response = exchange.limits(timeouts).until_response(exchange.started);
        Self {
            worker,
            exchange,
            downstream,
            upstream,
            timer,
            deadlines: ExchangeDeadlines::new(timer, response, timeouts),
            request: RequestProgress::Unsent,
            response: ResponseProgress::Silent,
            interims: 0,
            persistence: Persistence::Close,
        }
    }

    /// Forwards the exchange.
    pub(super) async fn run(&mut self) -> Result<RelayOutcome, RelayError> {
        let worker = self.worker;
        poll_fn(|cx| {
            if worker.is_ending() {
                return Poll::Ready(Err(RelayError::Disconnected));
            }
            if self.timer.has_expired() {
                self.check_deadlines()?;
            }
            let scratch = &mut *worker.scratch.borrow_mut();
            loop {
                let request = self.move_request(cx, scratch)?;
                match (request, self.move_response(cx, scratch)?) {
                    (_, Progress::Upgraded) => return Poll::Ready(Ok(RelayOutcome::Upgraded)),
                    _ if self.is_complete() => return Poll::Ready(Ok(RelayOutcome::Complete)),
                    (Progress::Blocked, Progress::Blocked) => {
                        // A response that completes at once gets its first-byte time when it ends, which
                        // saves a clock read.
                        if matches!(self.response, ResponseProgress::Complete { .. }) {
                            self.exchange.record_first_byte();
                        }
                        return Poll::Pending;
                    }
                    _ => {}
                }
            }
        })
        .await
    }

    /// Whether the service's connection can serve another exchange.
    pub(super) fn is_upstream_reusable(&self) -> bool {
        let response_allows = matches!(self.response, ResponseProgress::Complete { reusable: true });
        response_allows && self.is_request_sent() && !self.upstream.peer.has_unread() && !self.upstream.peer.has_ended
    }

    /// What the downstream was sent about its connection.
    pub(super) fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Whether the service has accepted the whole request.
    fn is_request_sent(&self) -> bool {
        self.request == RequestProgress::Sending && self.exchange.body.is_done() && self.upstream.peer.is_flushed()
    }

    fn is_complete(&self) -> bool {
        matches!(self.response, ResponseProgress::Complete { .. }) && self.downstream.is_flushed()
    }

    /// Forwards the request from the downstream to the service, as fast as the service accepts it.
    fn move_request(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Progress, RelayError> {
        match self.request {
            RequestProgress::Unsent => {
                let sent = self.upstream.peer.send(cx, &self.exchange.wire, &[]);
                self.request = if sent.is_ok() { RequestProgress::Sending } else { RequestProgress::Unwanted };
                return Ok(Progress::Moved);
            }
            RequestProgress::Sending => match self.upstream.peer.poll_flush(cx) {
                Poll::Pending => return Ok(Progress::Blocked),
                Poll::Ready(Err(_)) => {
                    self.request = RequestProgress::Unwanted;
                    return Ok(Progress::Moved);
                }
                Poll::Ready(Ok(())) if !self.exchange.body.is_done() => {}
                Poll::Ready(Ok(())) => return self.read_ahead(cx, scratch),
            },
            RequestProgress::Unwanted => return self.read_ahead(cx, scratch),
        }
        let filled = match self.downstream.poll_fill(cx, &mut scratch.input) {
            Poll::Pending => {
                if !self.awaits_continue() {
                    self.deadlines.start_body_timeout();
                }
                return Ok(Progress::Blocked);
            }
            Poll::Ready(Err(_) | Ok(Filled { length: 0, ended: true })) => return Err(RelayError::Disconnected),
            Poll::Ready(Ok(filled)) => filled,
        };
        self.deadlines.stop_body_timeout();
        let input = &scratch.input[..filled.length];
        scratch.output.clear();
        let carried =
            self.exchange.body.carry(input, &mut scratch.output).map_err(|fault| RelayError::MalformedRequest(fault.0))?;
        self.downstream.unread(&input[carried.consumed..]);
        if self.upstream.peer.send(cx, &scratch.output, carried.plain).is_err() {
            self.request = RequestProgress::Unwanted;
        }
        self.downstream.adapt_read_size(&self.upstream.peer, filled);
        Ok(Progress::Moved)
    }

    /// The request is complete: detects a disconnect, and reads a little of the next request.
    fn read_ahead(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Progress, RelayError> {
        match self.downstream.poll_ahead(cx, &mut scratch.input) {
            Poll::Pending => {
                if self.downstream.has_ended {
                    self.deadlines.start_abandon_grace();
                }
                Ok(Progress::Blocked)
            }
            Poll::Ready(Ok(())) => Ok(Progress::Moved),
            Poll::Ready(Err(_)) => Err(RelayError::Disconnected),
        }
    }

    /// Lets the request be sent again, if a decorator wants that, all of it is at hand, and nothing of a response has reached
    /// the client.
    fn retry(&mut self, cause: RetryCause) -> Result<(), RelayError> {
        if self.exchange.repeatable == Repeatable::No || self.interims > 0 {
            return Ok(());
        }
        self.exchange.next_retry(cause, self.worker.timeouts()).map_or(Ok(()), |wait| Err(RelayError::Retry(wait)))
    }

    /// Returns an error if the exchange must end because a deadline has passed.
    fn check_deadlines(&mut self) -> Result<(), RelayError> {
        let now = Instant::now();
        if self.deadlines.is_response_late(now) {
            return Err(match self.response {
                ResponseProgress::Silent | ResponseProgress::Begun => RelayError::TimedOut,
                ResponseProgress::Body { .. } | ResponseProgress::Complete { .. } => RelayError::ResponseAborted,
            });
        }
        if self.downstream.has_ended && (self.downstream.stream().is_broken() || self.is_abandoned(now)) {
            return Err(RelayError::Disconnected);
        }
        if !self.deadlines.is_body_late(now) {
            self.deadlines.arm();
            return Ok(());
        }
        // The downstream has unread data, and may be reading it.
        if matches!(self.response, ResponseProgress::Complete { .. }) || !self.downstream.is_flushed() {
            self.deadlines.extend_body_timeout();
            return Ok(());
        }
        Err(RelayError::RequestStalled)
    }

    /// Whether the downstream has closed its sending half and waits for a service that sends nothing. HTTP/1 does not show
    /// whether it still reads. If it has unread data, the kernel shows that it is gone: it answers with a reset.
    fn is_abandoned(&self, now: Instant) -> bool {
        self.downstream.is_flushed() && self.deadlines.is_abandoned(now)
    }

    /// Whether the downstream may withhold its body, because the service has not asked for it (RFC 9110, section 10.1.1).
    fn awaits_continue(&self) -> bool {
        self.exchange.expects && self.exchange.body.bytes == 0 && matches!(self.response, ResponseProgress::Silent)
    }
}
