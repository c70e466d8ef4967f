//! Reads a request's head, starts its exchange, and decides whether to call the service.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use mesh::refusal::RefusalReason;

use crate::body::{Body, To};
use crate::decorator::Hold;
use crate::exchange::decide::{Action, decide};
use crate::exchange::{Exchange, KeepAlive, Repeatable, decorate};
use crate::head::answer::Answer;
use crate::head::answer::Audience;
use crate::head::request::RequestHead;
use crate::head::response::ResponseTo;
use crate::head::write::{Added, Persistence};
use crate::head::{Framing, HeadFault, Parsed, Version, request, write};
use crate::http1::connection::{Http1Connection, Opening};
use crate::http1::detect;
use crate::protocol::Detected;
use crate::socket::stream::has_no_input;

const TOO_SLOW: HeadFault = HeadFault { status: 408, reason: RefusalReason::Timeout, why: "the head did not arrive in time" };
const BROKEN_OFF: HeadFault = HeadFault::bad(RefusalReason::Incomplete, "the head is incomplete");

/// The refusal of a request whose body does not follow RFC 9112, section 7.1.
const MALFORMED_CHUNKS: HeadFault = HeadFault::bad(RefusalReason::Framing, "the body's chunks are malformed");

/// What to do with the bytes that a downstream has sent.
pub(super) enum RequestAction {
    /// Forward the request to the service.
    Forward,
    /// Answer the request with this response.
    Answer(Answer, Persistence),
    /// Wait, and then answer the request, or forward it.
    Hold(Hold),
    /// Answer an invalid request with an error response and close.
    Refuse(HeadFault, ResponseTo),
    /// The connection begins with a protocol other than HTTP/1.
    Other(Detected),
    /// The client is silent.
    Silence,
    /// The connection ended without a request.
    Close,
}

/// Reads until a head is complete, and returns the action for it.
pub(super) fn poll_request(connection: &mut Http1Connection, cx: &mut Context<'_>) -> Poll<RequestAction> {
    let worker = Rc::clone(&connection.worker);
    let scratch = &mut *worker.scratch.borrow_mut();
    loop {
        let is_idle = !connection.downstream.has_unread();
        if connection.timer.has_expired() {
            if is_idle && connection.opening == Opening::Silent {
                return Poll::Ready(RequestAction::Silence);
            }
            match is_idle {
                true if has_no_input(connection.downstream.stream()) => return Poll::Ready(RequestAction::Close),
                // The kernel has data that the runtime does not know of yet.
                true => {}
                false => return Poll::Ready(refuse(connection, TOO_SLOW, &[])),
            }
        }
        let filled = match connection.downstream.poll_fill(cx, &mut scratch.input) {
            Poll::Pending if is_idle && worker.refuses_requests() => return poll_drain_idle(connection),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(RequestAction::Close),
            Poll::Ready(Ok(filled)) if filled.length == 0 => return Poll::Ready(RequestAction::Close),
            Poll::Ready(Ok(filled)) => filled,
        };
        let input = &scratch.input[..filled.length];
        let mut slots = worker.limits().slots();
        let parsed = request::parse(input, &mut slots);
        let detected = if matches!(parsed, Parsed::Faulty(_)) { detect::classify(connection, input) } else { Detected::Http1 };
        match (parsed, detected) {
            (Parsed::Complete(head, length), _) => return Poll::Ready(begin(connection, &head, &input[length..])),
            (Parsed::Faulty(_), Detected::Http2 | Detected::Foreign) => {
                connection.downstream.unread(input);
                return Poll::Ready(RequestAction::Other(detected));
            }
            (Parsed::Partial, _) | (Parsed::Faulty(_), Detected::Http2Partial) if !filled.ended => {
                if is_idle {
                    connection.timer.arm(Instant::now() + worker.timeouts().head);
                }
                connection.downstream.unread_partial(input);
            }
            (Parsed::Faulty(fault), _) => return Poll::Ready(refuse(connection, fault, input)),
            (Parsed::Partial, _) => return Poll::Ready(refuse(connection, BROKEN_OFF, input)),
        }
    }
}

/// Counts the refusal of the head in `input`.
fn refuse(connection: &Http1Connection, fault: HeadFault, input: &[u8]) -> RequestAction {
    connection.worker.count_refused(fault, connection.caller, request::guess_path(input));
    RequestAction::Refuse(fault, request::asked(input))
}

/// Handles an idle connection while the worker drains. A client that was served here knows of the drain, or
/// can retry after a close. A client that has just connected does not know, so it gets a last chance to send.
fn poll_drain_idle(connection: &mut Http1Connection) -> Poll<RequestAction> {
    if connection.worker.is_ending() {
        return Poll::Ready(RequestAction::Close);
    }
    match connection.opening {
        // This asks the kernel, because the runtime may not know yet of a request that has arrived.
        Opening::Later if has_no_input(connection.downstream.stream()) => return Poll::Ready(RequestAction::Close),
        Opening::Later | Opening::Last => {}
        Opening::Silent | Opening::First => {
            connection.opening = Opening::Last;
            connection.timer.arm(Instant::now() + detect::DRAIN_IDLE_GRACE);
        }
    }
    Poll::Pending
}

/// Starts the exchange of a complete head, and decides on it. `rest` is the input after the head.
fn begin(connection: &mut Http1Connection, head: &RequestHead<'_, '_>, rest: &[u8]) -> RequestAction {
    connection.timer.disarm();
    connection.opening = Opening::Later;
    let worker = Rc::clone(&connection.worker);
    let (exchange, covering) = worker.begin(head.method, head.target, Instant::now());
    // The exchange is stored first, so that it is counted even if the code below panics.
    let exchange = &mut **connection.exchange.insert(exchange);
    exchange.caller = Some(connection.caller);
    exchange.trace = head.traceparent();
    exchange.version = head.version;
    exchange.asked = if head.method == "HEAD" { ResponseTo::HeadOnly } else { ResponseTo::Whole };
    exchange.audience = if head.connectivity.accepts_html { Audience::Person } else { Audience::Program };
    exchange.keep_alive = match head.is_persistent() {
        true if worker.is_draining() => KeepAlive::Draining,
        true => KeepAlive::Yes,
        false => KeepAlive::ClientClosed,
    };
    let action = decide(&worker, exchange, covering.as_ref(), head);
    let edits = match &action {
        Action::Forward(edits) | Action::Hold(_, edits) => Some(edits),
        Action::AnswerByRule(_) | Action::Answer(_) => None,
    };
    let is_forwarded = edits.is_some();
    if let Some(edits) = edits {
        let forwarding = worker.forwarding();
        let lines = [&*connection.forwarded, forwarding.via_line(head.version)];
        let added = Added { lines, forwarded_proto: forwarding.forwarded_proto(), edits };
        write::request(&mut exchange.wire, head, worker.host(), added);
    }
    let to = match head.framing {
        _ if !is_forwarded => To::Nothing,
        Framing::Chunked => To::Chunks,
        _ => To::Plain,
    };
    let is_guarded = decorate::is_guarded(worker.decorators(), exchange);
    let trailers = if is_guarded || head.connectivity.names_others { Trailers::Dropped } else { Trailers::Passed };
    let Some(consumed) = begin_body(exchange, head, (to, trailers), rest) else {
        return RequestAction::Refuse(MALFORMED_CHUNKS, exchange.asked);
    };
    connection.downstream.unread(&rest[consumed..]);
    match action {
        Action::Forward(_) => RequestAction::Forward,
        Action::Hold(hold, _) => RequestAction::Hold(hold),
        Action::AnswerByRule(answer) | Action::Answer(answer) => RequestAction::Answer(answer, exchange.persistence_of_answer()),
    }
}

/// Whether the service gets the trailers of a request. Some services take them for fields of the head, so a guard, which
/// removes forged fields there, drops them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trailers {
    Passed,
    Dropped,
}

/// Appends the bytes of the body that arrived with the head. Returns how many those are, or `None` if they
/// are malformed.
fn begin_body(exchange: &mut Exchange, head: &RequestHead<'_, '_>, (to, trailers): (To, Trailers), rest: &[u8]) -> Option<usize> {
    exchange.body = Body::new(head.framing, to);
    if trailers == Trailers::Dropped {
        exchange.body.drop_trailers();
    }
    let carried = exchange.body.carry(rest, &mut exchange.wire).ok()?;
    let (consumed, plain) = (carried.consumed, carried.plain);
    exchange.wire.extend_from_slice(plain);
    exchange.wants_upgrade = head.connectivity.upgrade.is_some();
    exchange.expects = head.connectivity.expects && head.version == Version::Http11;
    if head.is_idempotent() && exchange.body.is_done() {
        exchange.repeatable = Repeatable::Yes;
    }
    Some(consumed)
}
