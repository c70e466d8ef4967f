//! Forwards one exchange over HTTP/1 in both directions at once, until the response is complete.

use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::body::malformed::Malformed;
use crate::body::{Body, BodyStep};
use crate::exchange::context::{Scratch, WorkerContext};
use crate::exchange::{Exchange, Repeatable};
use crate::head::write::Persistence;
use crate::http1::relay::deadlines::Deadlines;
use crate::socket::buffered_conn::{BufferedConn, Filled};
use crate::socket::deadlines::Deadline;
use crate::upstream::{ConnectionOrigin, Upstream};

mod deadlines;
mod heads;
mod request;

/// The largest body part that is copied after its head to send both in one piece. A larger part is sent by
/// a vectored write.
const COPIED_BYTES_MAX: usize = 4 * 1024;

/// How forwarding ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayOutcome {
    /// The response is complete.
    Whole,
    /// The connections have switched to another protocol.
    Upgraded,
    /// The pooled connection was already closed. The request can be sent on another one.
    Stale,
    /// No response: the service closed or reset the connection.
    Reset,
    /// No response before the deadline.
    TimedOut,
    /// No valid response.
    Unintelligible(&'static str),
    /// The response was aborted after part of it was forwarded.
    BrokenOff,
    /// The request violated its own framing.
    Malformed(&'static str),
    /// The request's body stopped arriving.
    Stalled,
    /// The downstream has disconnected, or the worker disconnects it.
    Gone,
}

/// An exchange and its two connections.
pub struct Relay<'a> {
    worker: &'a WorkerContext,
    exchange: &'a mut Exchange,
    downstream: &'a mut BufferedConn,
    upstream: &'a mut Upstream,
    watch: &'a Deadline,
    deadlines: Deadlines<'a>,
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
    Through { reusable: bool },
}

/// Whether a step made progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Yes,
    No,
}

impl<'a> Relay<'a> {
    /// Prepares to forward an exchange.
    pub fn new(
        worker: &'a WorkerContext,
        exchange: &'a mut Exchange,
        downstream: &'a mut BufferedConn,
        upstream: &'a mut Upstream,
        watch: &'a Deadline,
    ) -> Self {
        let timeouts = worker.timeouts();
        let soonest = timeouts.answer.into_iter().chain(timeouts.exchange).min();
        let answer = soonest.map(|within| exchange.started + within);
        Self {
            worker,
            exchange,
            downstream,
            upstream,
            watch,
            deadlines: Deadlines::new(watch, answer, timeouts.body),
            request: RequestProgress::Unsent,
            response: ResponseProgress::Silent,
            interims: 0,
            persistence: Persistence::Close,
        }
    }

    /// Forwards the exchange.
    pub async fn run(&mut self) -> RelayOutcome {
        let worker = self.worker;
        poll_fn(|cx| {
            if worker.is_ending() {
                return Poll::Ready(RelayOutcome::Gone);
            }
            if let Some(relayed) = self.watch.has_expired().then(|| self.expired()).flatten() {
                return Poll::Ready(relayed);
            }
            let scratch = &mut *worker.scratch.borrow_mut();
            loop {
                let request = self.move_request(cx, scratch);
                let response = request.and_then(|moved| Ok((moved, self.move_response(cx, scratch)?)));
                match response {
                    Err(relayed) => return Poll::Ready(relayed),
                    Ok(_) if self.is_through() => return Poll::Ready(RelayOutcome::Whole),
                    Ok((Moved::No, Moved::No)) => {
                        // A response that completes at once gets its first-byte time when it ends, which
                        // saves a clock read.
                        if matches!(self.response, ResponseProgress::Through { .. }) {
                            self.exchange.has_begun();
                        }
                        return Poll::Pending;
                    }
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    /// Whether the service's connection can serve another exchange.
    pub fn is_upstream_reusable(&self) -> bool {
        let response_allows = matches!(self.response, ResponseProgress::Through { reusable: true });
        response_allows && self.is_request_through() && !self.upstream.peer.has_carry() && !self.upstream.peer.has_ended
    }

    /// What the downstream was sent about its connection.
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Whether the service has accepted the whole request.
    pub fn is_request_through(&self) -> bool {
        self.request == RequestProgress::Sending && self.exchange.body.is_done() && self.upstream.peer.is_flushed()
    }

    fn is_through(&self) -> bool {
        matches!(self.response, ResponseProgress::Through { .. }) && self.downstream.is_flushed()
    }

    fn move_response(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Moved, RelayOutcome> {
        match self.downstream.poll_flush(cx) {
            Poll::Pending => return Ok(Moved::No),
            Poll::Ready(Err(_)) => return Err(RelayOutcome::Gone),
            Poll::Ready(Ok(())) if matches!(self.response, ResponseProgress::Through { .. }) => return Ok(Moved::No),
            Poll::Ready(Ok(())) => {}
        }
        scratch.output.clear();
        let filled = match self.upstream.peer.poll_fill(cx, &mut scratch.input) {
            Poll::Pending => return Ok(Moved::No),
            Poll::Ready(Err(_)) => return Err(self.broke_off()),
            Poll::Ready(Ok(Filled { length: 0, ended: true })) => return self.closed(cx, scratch),
            Poll::Ready(Ok(filled)) => filled,
        };
        self.answer_moved();
        let had_head = matches!(self.response, ResponseProgress::Body { .. });
        if matches!(self.response, ResponseProgress::Silent) {
            self.response = ResponseProgress::Begun;
            self.has_begun();
        }
        let (input, output) = (&scratch.input[..filled.length], &mut scratch.output);
        let used = match self.response {
            ResponseProgress::Begun => self.take_heads(input, filled, output)?,
            _ => Some(0),
        };
        let Some(used) = used else {
            return self.send(cx, output, &[], filled);
        };
        let plain = match self.take_body(&input[used..], output) {
            Ok(plain) => plain,
            // Nothing of this response has been forwarded yet, so an error response is still possible.
            Err(Malformed(why)) if !had_head => return Err(self.take_back(why)),
            Err(_) => return Err(RelayOutcome::BrokenOff),
        };
        if matches!(self.response, ResponseProgress::Body { .. }) && !had_head {
            self.exchange.has_begun();
            self.worker.settle(self.exchange);
        }
        if !plain.is_empty() && plain.len() <= COPIED_BYTES_MAX && !output.is_empty() {
            output.extend_from_slice(plain);
            return self.send(cx, output, &[], filled);
        }
        self.send(cx, output, plain, filled)
    }

    /// The response's first byte has arrived: from now on only the exchange timeout applies.
    fn has_begun(&mut self) {
        let whole = self.worker.timeouts().exchange;
        self.deadlines.expect_answer(whole.map(|within| self.exchange.started + within));
    }

    fn timed_out(&self) -> RelayOutcome {
        match self.response {
            ResponseProgress::Silent | ResponseProgress::Begun => RelayOutcome::TimedOut,
            ResponseProgress::Body { .. } | ResponseProgress::Through { .. } => RelayOutcome::BrokenOff,
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, output: &[u8], plain: &[u8], filled: Filled) -> Result<Moved, RelayOutcome> {
        self.downstream.send(cx, output, plain).map_err(|_| RelayOutcome::Gone)?;
        self.upstream.peer.pace_by(self.downstream, filled);
        if self.exchange.status == 101 { Err(RelayOutcome::Upgraded) } else { Ok(Moved::Yes) }
    }

    /// Discards a response with a valid head and an invalid body. Neither has been sent yet.
    fn take_back(&mut self, why: &'static str) -> RelayOutcome {
        self.exchange.answered(0, "");
        self.exchange.bytes_out = 0;
        RelayOutcome::Unintelligible(why)
    }

    fn take_body<'b>(&mut self, input: &'b [u8], output: &mut Vec<u8>) -> Result<&'b [u8], Malformed> {
        let ResponseProgress::Body { body, reusable } = &mut self.response else { return Ok(&[]) };
        let before = body.bytes;
        let is_passed = !body.is_to_nothing();
        let carried = match body.carry(input, output) {
            Err(_) if !is_passed => BodyStep { consumed: input.len(), plain: &[] },
            carried => carried?,
        };
        if is_passed {
            self.exchange.bytes_out += body.bytes - before;
        }
        if body.is_done() {
            self.upstream.peer.keep_next(&input[carried.consumed..]);
            self.response = ResponseProgress::Through { reusable: *reusable };
        } else if !is_passed {
            // A different response was sent, so the rest of the service's body is not awaited.
            self.response = ResponseProgress::Through { reusable: false };
        }
        Ok(carried.plain)
    }

    /// The service has closed its sending half.
    fn closed(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Moved, RelayOutcome> {
        let ResponseProgress::Body { body, .. } = &mut self.response else { return Err(self.broke_off()) };
        if !body.ends_by_closing() {
            return Err(RelayOutcome::BrokenOff);
        }
        body.close(&mut scratch.output);
        self.response = ResponseProgress::Through { reusable: false };
        self.downstream.send(cx, &scratch.output, &[]).map_err(|_| RelayOutcome::Gone)?;
        Ok(Moved::Yes)
    }

    /// The service's connection ended before the response did.
    fn broke_off(&self) -> RelayOutcome {
        let stands_in = self.upstream.origin == ConnectionOrigin::Pooled && self.exchange.repeatable == Repeatable::Yes;
        match self.response {
            ResponseProgress::Silent if stands_in => RelayOutcome::Stale,
            ResponseProgress::Silent | ResponseProgress::Begun => RelayOutcome::Reset,
            ResponseProgress::Body { .. } | ResponseProgress::Through { .. } => RelayOutcome::BrokenOff,
        }
    }
}
