//! Reads a request's head, finds its endpoint, and decides whether to call the service.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use mesh::refusal::RefusalReason;

use crate::body::{Body, To};
use crate::decorator::Step;
use crate::exchange::error_response::Audience;
use crate::exchange::{Keeps, Repeatable, decorators, max_forwards};
use crate::head::request::RequestHead;
use crate::head::response::ResponseTo;
use crate::head::write::{Added, Persistence};
use crate::head::{Framing, HeadFault, Parsed, Version, request, write};
use crate::http1::detect::{LAST_WORD, Opening};
use crate::http1::{RequestAction, Tunnel};
use crate::protocol::Detected;
use crate::recorder::completed_exchange::Author;
use crate::socket::stream::has_no_input;

const TOO_SLOW: HeadFault = HeadFault { status: 408, reason: RefusalReason::Timeout, why: "the head did not arrive in time" };
const BROKEN_OFF: HeadFault = HeadFault::bad(RefusalReason::Incomplete, "the head broke off");

/// The refusal of a request whose body does not follow RFC 9112, section 7.1.
const MALFORMED_CHUNKS: HeadFault = HeadFault::bad(RefusalReason::Framing, "the body's chunks are malformed");

impl Tunnel {
    /// Reads until a head is complete, and returns the action for it.
    pub(super) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<RequestAction> {
        let worker = Rc::clone(&self.worker);
        let scratch = &mut *worker.scratch.borrow_mut();
        loop {
            let is_idle = !self.downstream.has_carry();
            if self.watch.has_expired() {
                if is_idle && self.opening == Opening::Silent {
                    return Poll::Ready(RequestAction::Silence);
                }
                match is_idle {
                    true if has_no_input(self.downstream.stream()) => return Poll::Ready(RequestAction::Close),
                    // The kernel has data that the runtime does not know of yet.
                    true => {}
                    false => return Poll::Ready(self.refuse(TOO_SLOW, &[])),
                }
            }
            let filled = match self.downstream.poll_fill(cx, &mut scratch.input) {
                Poll::Pending if is_idle && worker.is_shut() => return self.poll_last_word(),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(RequestAction::Close),
                Poll::Ready(Ok(filled)) if filled.length == 0 => return Poll::Ready(RequestAction::Close),
                Poll::Ready(Ok(filled)) => filled,
            };
            let input = &scratch.input[..filled.length];
            let mut slots = worker.limits().slots();
            let parsed = request::parse(input, &mut slots);
            let looks = if matches!(parsed, Parsed::Faulty(_)) { self.look(input) } else { Detected::Http1 };
            match (parsed, looks) {
                (Parsed::Complete(head, length), _) => return Poll::Ready(self.begin(&head, &input[length..])),
                (Parsed::Faulty(_), Detected::Http2 | Detected::Foreign) => {
                    self.downstream.keep_next(input);
                    return Poll::Ready(RequestAction::Other(looks));
                }
                (Parsed::Partial, _) | (Parsed::Faulty(_), Detected::Http2Partial) if !filled.ended => {
                    if is_idle {
                        self.watch.arm(Instant::now() + worker.timeouts().head);
                    }
                    self.downstream.keep_partial(input);
                }
                (Parsed::Faulty(fault), _) => return Poll::Ready(self.refuse(fault, input)),
                (Parsed::Partial, _) => return Poll::Ready(self.refuse(BROKEN_OFF, input)),
            }
        }
    }

    /// Counts the refusal of the head in `input`.
    fn refuse(&self, fault: HeadFault, input: &[u8]) -> RequestAction {
        self.worker.count_refused(fault, self.caller, request::seeming_path(input));
        RequestAction::Refuse(fault, request::asked(input))
    }

    /// Handles an idle connection while the worker drains. A client that was served here knows of the
    /// drain, or can retry after a close. A client that has just connected does not know, so it gets a last
    /// chance to send.
    fn poll_last_word(&mut self) -> Poll<RequestAction> {
        if self.worker.is_ending() {
            return Poll::Ready(RequestAction::Close);
        }
        match self.opening {
            // This asks the kernel, because the runtime may not know yet of a request that has arrived.
            Opening::Later if has_no_input(self.downstream.stream()) => return Poll::Ready(RequestAction::Close),
            Opening::Later | Opening::Last => {}
            Opening::Silent | Opening::First => {
                self.opening = Opening::Last;
                self.watch.arm(Instant::now() + LAST_WORD);
            }
        }
        Poll::Pending
    }

    /// Finds the endpoint, and decides whether to call the service. `rest` is the input after the head.
    fn begin(&mut self, head: &RequestHead<'_, '_>, rest: &[u8]) -> RequestAction {
        self.watch.disarm();
        self.opening = Opening::Later;
        let worker = Rc::clone(&self.worker);
        let now = Instant::now();
        let (exchange, rule) = worker.begin(head.method, head.target, now);
        // The exchange is stored first, so that it is counted even if the code below panics.
        let exchange = &mut **self.exchange.insert(exchange);
        exchange.caller = Some(self.caller);
        exchange.trace = head.traceparent();
        exchange.version = head.version;
        exchange.asked = if head.method == "HEAD" { ResponseTo::HeadOnly } else { ResponseTo::Whole };
        exchange.reader = if head.connectivity.accepts_html { Audience::Person } else { Audience::Program };
        exchange.keeps = match head.is_persistent() {
            true if worker.is_draining() => Keeps::No,
            true => Keeps::Yes,
            false => Keeps::Declined,
        };
        let decided = match rule {
            Some(rule) => {
                exchange.answered_by_rule(&rule.id);
                Step::Answer(rule.answer(now))
            }
            None if head.forwards_left() == Some(0) => Step::Answer(max_forwards::answer(head)),
            None => decorators::before(&worker, &exchange.endpoint, head),
        };
        if matches!(decided, Step::Answer(_)) {
            exchange.author = Author::Sitio;
        }
        let forward = matches!(decided, Step::Forward);
        if forward {
            let via = worker.forwarding().via_line(head.version);
            let added = Added { lines: [&self.forwarded, via], forwarded_proto: worker.forwarding().forwarded_proto() };
            write::request(&mut exchange.wire, head, worker.host(), added);
        }
        let to = match head.framing {
            _ if !forward => To::Nothing,
            Framing::Chunked => To::Chunks,
            _ => To::Plain,
        };
        exchange.body = Body::new(head.framing, to);
        if head.connectivity.names_others {
            exchange.body.drop_trailers();
        }
        let carried = exchange.body.carry(rest, &mut exchange.wire).map(|carried| (carried.consumed, carried.plain));
        let Ok((consumed, plain)) = carried else { return RequestAction::Refuse(MALFORMED_CHUNKS, exchange.asked) };
        exchange.wire.extend_from_slice(plain);
        self.downstream.keep_next(&rest[consumed..]);
        exchange.wants_upgrade = head.connectivity.upgrade.is_some();
        exchange.expects = head.connectivity.expects && head.version == Version::Http11;
        if head.is_idempotent() && exchange.body.is_done() {
            exchange.repeatable = Repeatable::Yes;
        }
        match decided {
            Step::Forward => RequestAction::Forward,
            Step::Answer(answer) => {
                let keeps = exchange.keeps == Keeps::Yes && exchange.body.is_done();
                RequestAction::Answer(answer, if keeps { write::kept(exchange.version) } else { Persistence::Close })
            }
        }
    }
}
