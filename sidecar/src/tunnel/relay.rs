//! Carries one exchange between its two peers, both ways at once, until the response is through.

use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::body::{Body, Carried, Malformed};
use crate::head::write::Persistence;
use crate::tunnel::exchange::{Exchange, Repeatable};
use crate::tunnel::peer::{Filled, Peer};
use crate::tunnel::relay::deadlines::Deadlines;
use crate::upstream::{Origin, Upstream};
use crate::watch::Watch;
use crate::worker::state::{Scratch, Worker};

mod deadlines;
mod heads;
mod request;

/// Bytes of a body that are copied behind its head, to go out in one piece; more goes out beside it.
const COPIED_BYTES_MAX: usize = 4 * 1024;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relayed {
    /// The response is through.
    Whole,
    /// The connections now speak another protocol.
    Upgraded,
    /// The idle connection did not stand any more, and nothing is lost by taking another.
    Stale,
    /// There is no response: the service closed or reset the connection.
    Reset,
    /// There is no response, and the time for it is over.
    TimedOut,
    /// There is no response that could be understood.
    Unintelligible(&'static str),
    /// The response broke off when a part of it was through.
    BrokenOff,
    /// The request broke its own framing.
    Malformed(&'static str),
    /// The request's body has stopped.
    Stalled,
    /// The downstream has left, or is made to.
    Gone,
}

/// An exchange between its peers.
pub struct Relay<'a> {
    worker: &'a Worker,
    exchange: &'a mut Exchange,
    downstream: &'a mut Peer,
    upstream: &'a mut Upstream,
    watch: &'a Watch,
    deadlines: Deadlines<'a>,
    request: Request,
    response: Response,
    interims: usize,
    persistence: Persistence,
}

/// How far the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Unsent,
    Sending,
    /// Writing has failed: the service takes no more of it. Its answer may be there all the same.
    Unwanted,
}

/// How far the response is.
enum Response {
    Silent,
    Begun,
    Body { body: Body, reusable: bool },
    Through { reusable: bool },
}

/// Whether a step has moved anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Yes,
    No,
}

impl<'a> Relay<'a> {
    /// An exchange that is about to be carried.
    pub fn new(
        worker: &'a Worker,
        exchange: &'a mut Exchange,
        downstream: &'a mut Peer,
        upstream: &'a mut Upstream,
        watch: &'a Watch,
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
            request: Request::Unsent,
            response: Response::Silent,
            interims: 0,
            persistence: Persistence::Close,
        }
    }

    /// Carries it.
    pub async fn run(&mut self) -> Relayed {
        let worker = self.worker;
        poll_fn(|cx| {
            if worker.is_ending() {
                return Poll::Ready(Relayed::Gone);
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
                    Ok(_) if self.is_through() => return Poll::Ready(Relayed::Whole),
                    Ok((Moved::No, Moved::No)) => {
                        // An answer that is through at once has begun when it ends, and needs no look at the clock.
                        if matches!(self.response, Response::Through { .. }) {
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
        let response_allows = matches!(self.response, Response::Through { reusable: true });
        response_allows && self.is_request_through() && !self.upstream.peer.has_carry() && !self.upstream.peer.has_ended
    }

    /// What the downstream was told about its connection.
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Whether the whole request was taken by the service.
    pub fn is_request_through(&self) -> bool {
        self.request == Request::Sending && self.exchange.body.is_done() && self.upstream.peer.is_flushed()
    }

    fn is_through(&self) -> bool {
        matches!(self.response, Response::Through { .. }) && self.downstream.is_flushed()
    }

    fn move_response(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Moved, Relayed> {
        match self.downstream.poll_flush(cx) {
            Poll::Pending => return Ok(Moved::No),
            Poll::Ready(Err(_)) => return Err(Relayed::Gone),
            Poll::Ready(Ok(())) if matches!(self.response, Response::Through { .. }) => return Ok(Moved::No),
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
        let had_head = matches!(self.response, Response::Body { .. });
        if matches!(self.response, Response::Silent) {
            self.response = Response::Begun;
            self.has_begun();
        }
        let (input, output) = (&scratch.input[..filled.length], &mut scratch.output);
        let used = match self.response {
            Response::Begun => self.take_heads(input, filled, output)?,
            _ => Some(0),
        };
        let Some(used) = used else {
            return self.send(cx, output, &[], filled);
        };
        let plain = match self.take_body(&input[used..], output) {
            Ok(plain) => plain,
            // Nothing of this answer has been passed on yet, so there is still time to say what is wrong with it.
            Err(Malformed(why)) if !had_head => return Err(self.take_back(why)),
            Err(_) => return Err(Relayed::BrokenOff),
        };
        if matches!(self.response, Response::Body { .. }) && !had_head {
            self.exchange.has_begun();
            self.worker.settle(self.exchange);
        }
        if !plain.is_empty() && plain.len() <= COPIED_BYTES_MAX && !output.is_empty() {
            output.extend_from_slice(plain);
            return self.send(cx, output, &[], filled);
        }
        self.send(cx, output, plain, filled)
    }

    /// The answer's first byte is here: from now on only the time for the whole counts.
    fn has_begun(&mut self) {
        let whole = self.worker.timeouts().exchange;
        self.deadlines.expect_answer(whole.map(|within| self.exchange.started + within));
    }

    fn timed_out(&self) -> Relayed {
        match self.response {
            Response::Silent | Response::Begun => Relayed::TimedOut,
            Response::Body { .. } | Response::Through { .. } => Relayed::BrokenOff,
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, output: &[u8], plain: &[u8], filled: Filled) -> Result<Moved, Relayed> {
        self.downstream.send(cx, output, plain).map_err(|_| Relayed::Gone)?;
        self.upstream.peer.pace_by(self.downstream, filled);
        if self.exchange.status == 101 { Err(Relayed::Upgraded) } else { Ok(Moved::Yes) }
    }

    /// The answer's head was good and its body is not, and both are still here.
    fn take_back(&mut self, why: &'static str) -> Relayed {
        self.exchange.answered(0, "");
        self.exchange.bytes_out = 0;
        Relayed::Unintelligible(why)
    }

    fn take_body<'b>(&mut self, input: &'b [u8], output: &mut Vec<u8>) -> Result<&'b [u8], Malformed> {
        let Response::Body { body, reusable } = &mut self.response else { return Ok(&[]) };
        let before = body.bytes;
        let is_passed = !body.is_to_nothing();
        let carried = match body.carry(input, output) {
            Err(_) if !is_passed => Carried { consumed: input.len(), plain: &[] },
            carried => carried?,
        };
        if is_passed {
            self.exchange.bytes_out += body.bytes - before;
        }
        if body.is_done() {
            self.upstream.peer.keep_next(&input[carried.consumed..]);
            self.response = Response::Through { reusable: *reusable };
        } else if !is_passed {
            // Something else was answered: the rest of what the service sends is not worth waiting for.
            self.response = Response::Through { reusable: false };
        }
        Ok(carried.plain)
    }

    /// The service has closed its half.
    fn closed(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Moved, Relayed> {
        let Response::Body { body, .. } = &mut self.response else { return Err(self.broke_off()) };
        if !body.ends_by_closing() {
            return Err(Relayed::BrokenOff);
        }
        body.close(&mut scratch.output);
        self.response = Response::Through { reusable: false };
        self.downstream.send(cx, &scratch.output, &[]).map_err(|_| Relayed::Gone)?;
        Ok(Moved::Yes)
    }

    /// The service's connection is gone before the response was.
    fn broke_off(&self) -> Relayed {
        let stands_in = self.upstream.origin == Origin::Pooled && self.exchange.repeatable == Repeatable::Yes;
        match self.response {
            Response::Silent if stands_in => Relayed::Stale,
            Response::Silent | Response::Begun => Relayed::Reset,
            Response::Body { .. } | Response::Through { .. } => Relayed::BrokenOff,
        }
    }
}
