//! Reads a request's head, finds its endpoint, and decides whether to call the service.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use mesh::refusal::Reason;

use crate::body::{Body, To};
use crate::decorator::Step;
use crate::head::request::{self, RequestHead};
use crate::head::response::Asked;
use crate::head::write::{self, Added, Persistence};
use crate::head::{Fault, Framing, Parsed, Version};
use crate::protocol::Looks;
use crate::recorder::finished::Author;
use crate::tunnel::exchange::{Keeps, Repeatable};
use crate::tunnel::opening::{LAST_WORD, Opening};
use crate::tunnel::refusal::Reader;
use crate::tunnel::{Begun, Tunnel, decorators, last_stop};
use crate::upstream::is_quiet;

const TOO_SLOW: Fault = Fault { status: 408, reason: Reason::Timeout, why: "the head did not arrive in time" };
const BROKEN_OFF: Fault = Fault::bad(Reason::Incomplete, "the head broke off");

impl Tunnel {
    /// Reads until a head is complete, and returns the action for it.
    pub(super) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Begun> {
        let worker = Rc::clone(&self.worker);
        let scratch = &mut *worker.scratch.borrow_mut();
        loop {
            let is_idle = !self.downstream.has_carry();
            if self.watch.has_expired() {
                if is_idle && self.opening == Opening::Silent {
                    return Poll::Ready(Begun::Silence);
                }
                match is_idle {
                    true if is_quiet(self.downstream.stream()) => return Poll::Ready(Begun::Close),
                    // The kernel has data that the runtime does not know of yet.
                    true => {}
                    false => return Poll::Ready(self.refuse(TOO_SLOW, &[])),
                }
            }
            let filled = match self.downstream.poll_fill(cx, &mut scratch.input) {
                Poll::Pending if is_idle && worker.is_shut() => return self.poll_last_word(),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Begun::Close),
                Poll::Ready(Ok(filled)) if filled.length == 0 => return Poll::Ready(Begun::Close),
                Poll::Ready(Ok(filled)) => filled,
            };
            let input = &scratch.input[..filled.length];
            let mut slots = worker.limits().slots();
            let parsed = request::parse(input, &mut slots);
            let looks = if matches!(parsed, Parsed::Faulty(_)) { self.look(input) } else { Looks::Http1 };
            match (parsed, looks) {
                (Parsed::Complete(head, length), _) => return Poll::Ready(self.begin(&head, &input[length..])),
                (Parsed::Faulty(_), Looks::Http2 | Looks::Foreign) => {
                    self.downstream.keep_next(input);
                    return Poll::Ready(Begun::Other(looks));
                }
                (Parsed::Partial, _) | (Parsed::Faulty(_), Looks::Http2Partial) if !filled.ended => {
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
    fn refuse(&self, fault: Fault, input: &[u8]) -> Begun {
        self.worker.count_refused(fault, self.caller, request::seeming_path(input));
        Begun::Refuse(fault, request::asked(input))
    }

    /// Handles an idle connection while the worker drains. A client that was served here knows of the
    /// drain, or can retry after a close. A client that has just connected does not know, so it gets a last
    /// chance to send.
    fn poll_last_word(&mut self) -> Poll<Begun> {
        if self.worker.is_ending() {
            return Poll::Ready(Begun::Close);
        }
        match self.opening {
            // This asks the kernel, because the runtime may not know yet of a request that has arrived.
            Opening::Later if is_quiet(self.downstream.stream()) => return Poll::Ready(Begun::Close),
            Opening::Later | Opening::Last => {}
            Opening::Silent | Opening::First => {
                self.opening = Opening::Last;
                self.watch.arm(Instant::now() + LAST_WORD);
            }
        }
        Poll::Pending
    }

    /// Finds the endpoint, and decides whether to call the service. `rest` is the input after the head.
    fn begin(&mut self, head: &RequestHead<'_, '_>, rest: &[u8]) -> Begun {
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
        exchange.asked = if head.method == "HEAD" { Asked::HeadOnly } else { Asked::Whole };
        exchange.reader = if head.connectivity.accepts_html { Reader::Person } else { Reader::Program };
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
            None if head.forwards_left() == Some(0) => Step::Answer(last_stop::answer(head)),
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
        let Ok((consumed, plain)) = carried else {
            return Begun::Refuse(Fault::bad(Reason::Framing, "the body's chunks are malformed"), exchange.asked);
        };
        exchange.wire.extend_from_slice(plain);
        self.downstream.keep_next(&rest[consumed..]);
        exchange.wants_upgrade = head.connectivity.upgrade.is_some();
        exchange.expects = head.connectivity.expects && head.version == Version::Http11;
        if head.is_idempotent() && exchange.body.is_done() {
            exchange.repeatable = Repeatable::Yes;
        }
        match decided {
            Step::Forward => Begun::Forward,
            Step::Answer(answer) => {
                let keeps = exchange.keeps == Keeps::Yes && exchange.body.is_done();
                Begun::Answer(answer, if keeps { write::kept(exchange.version) } else { Persistence::Close })
            }
        }
    }
}
