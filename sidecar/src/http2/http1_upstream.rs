//! A connection over HTTP/1.1 that serves one exchange of a client that speaks HTTP/2.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http2::connection::Connection;
use http2::frame::{EndStream, StreamId};

use crate::body::{Body, To};
use crate::decorator::retry_policy::RetryCause;
use crate::exchange::context::{Scratch, WorkerContext};
use crate::head::response::{INTERIM_MAX, ResponseHead, ResponseTo};
use crate::head::{Framing, HeadFault, Parsed, response};
use crate::http2::exchanges::Exchanges;
use crate::http2::http1_messages::RequestFraming;
use crate::http2::proxied_exchange::{ProxiedExchange, Route};
use crate::http2::transfer::Leg;
use crate::http2::{http1_messages, own_response};
use crate::protocol::speaks_http2;
use crate::socket::buffered_conn::BufferedConn;
use crate::upstream::http2::field_list::FieldList;
use crate::upstream::service_pools::ServicePools;
use crate::upstream::{ConnectionOrigin, Upstream};

/// A connection and how far its exchange has come.
pub(super) struct Http1Upstream {
    peer: BufferedConn,
    origin: ConnectionOrigin,
    /// Where the connection belongs.
    pub(super) service: Rc<ServicePools>,
    framing: RequestFraming,
    asked: ResponseTo,
    response: Http1ResponseState,
}

/// How far the response has come.
enum Http1ResponseState {
    /// Nothing has arrived.
    Silent,
    /// A part of its head, or an interim response, has arrived.
    Begun,
    Body {
        body: Body,
        is_persistent: bool,
    },
    Complete {
        is_persistent: bool,
    },
}

/// What a call has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IoProgress {
    /// Nothing: a socket or a window is not ready.
    Blocked,
    /// Bytes were moved.
    Moved,
}

/// Why the exchange cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Http1Failure {
    /// The connection of the pool had been closed. The request can be sent on another one.
    Stale,
    /// The request is to be sent again on another connection, after this time.
    Retry(Duration),
    /// The service has closed the connection before a response.
    Closed,
    /// The response ends too early.
    BrokenOff,
    /// The response is not valid HTTP/1.
    Invalid(&'static str),
    /// The service speaks HTTP/2.
    SpeaksHttp2,
}

impl Http1Upstream {
    /// Sends the head of the request on a connection.
    pub(super) fn start(
        cx: &mut Context<'_>,
        (upstream, service): (Upstream, Rc<ServicePools>),
        exchange: &mut ProxiedExchange,
    ) -> Result<Self, HeadFault> {
        let has_length = exchange.head.fields().iter().any(|field| field.name == b"content-length");
        let is_plain = has_length || exchange.request.end_with_head() == EndStream::Yes;
        let framing = if is_plain { RequestFraming::Plain } else { RequestFraming::Chunks };
        let mut head = Vec::new();
        http1_messages::request(&mut head, exchange.head.fields(), framing)?;
        exchange.attempts += 1;
        let asked = if exchange.facts.head_only { ResponseTo::HeadOnly } else { ResponseTo::Whole };
        let Upstream { mut peer, origin } = upstream;
        // An error shows when the response is read: the service may have answered before it closed.
        let _ = peer.send(cx, &head, &[]);
        Ok(Self { peer, origin, service, framing, asked, response: Http1ResponseState::Silent })
    }

    /// The connection, if it can serve another exchange: this one is over, and left nothing behind.
    pub(super) fn into_reusable(self, exchange: &ProxiedExchange) -> Option<BufferedConn> {
        let is_over =
            matches!(self.response, Http1ResponseState::Complete { is_persistent: true }) && exchange.request.is_ended();
        (is_over && self.peer.is_flushed() && !self.peer.has_unread() && !self.peer.has_ended).then_some(self.peer)
    }

    /// Whether the whole response has arrived.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.response, Http1ResponseState::Complete { .. })
    }

    /// Sends what has arrived of the request.
    pub(super) fn send_request(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        stream: StreamId,
        exchanges: &mut Exchanges,
        downstream: &mut Connection,
    ) -> IoProgress {
        let Some(exchange) = exchanges.open.get_mut(&stream) else { return IoProgress::Blocked };
        if !exchange.request.has_waiting() && !exchange.request.has_waiting_bytes() {
            let _ = self.peer.poll_flush(cx);
            return IoProgress::Blocked;
        }
        match self.peer.poll_flush(cx) {
            Poll::Pending => return IoProgress::Blocked,
            // The service accepts no more. Its response may have arrived anyway.
            Poll::Ready(Err(_)) => {
                exchange.request.discard(downstream, &mut exchanges.ahead);
                return IoProgress::Blocked;
            }
            Poll::Ready(Ok(())) => {}
        }
        scratch.output.clear();
        http1_messages::piece(&mut scratch.output, self.framing, exchange.request.turn());
        exchange.request.finish_turn(Leg::new(downstream, stream), &mut exchanges.ahead);
        if let Some(trailers) = exchange.request.take_end() {
            http1_messages::end(&mut scratch.output, self.framing, &trailers);
        }
        let _ = self.peer.send(cx, &scratch.output, &[]);
        IoProgress::Moved
    }

    /// Reads the response, unless the client has not read what came before.
    pub(super) fn read_response(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        stream: StreamId,
        exchanges: &mut Exchanges,
        downstream: &mut Connection,
    ) -> Result<IoProgress, Http1Failure> {
        let is_unread = exchanges.open.get(&stream).is_none_or(|exchange| exchange.response.has_waiting_bytes());
        let has_begun = matches!(self.response, Http1ResponseState::Body { .. });
        // A client with a closed window gets nothing, so nothing is read for it.
        if self.is_complete() || is_unread || (has_begun && downstream.send_room(stream) == 0) {
            return Ok(IoProgress::Blocked);
        }
        let filled = match self.peer.poll_fill(cx, &mut scratch.input) {
            Poll::Pending => return Ok(IoProgress::Blocked),
            Poll::Ready(Err(_)) => return Err(self.closed(exchanges.open.get(&stream).map(Box::as_ref))),
            Poll::Ready(Ok(filled)) => filled,
        };
        let input = &scratch.input[..filled.length];
        let mut used = 0;
        if !matches!(self.response, Http1ResponseState::Body { .. }) {
            if filled.length == 0 {
                return Err(self.closed(exchanges.open.get(&stream).map(Box::as_ref)));
            }
            match self.read_heads(input, stream, exchanges, downstream)? {
                Some(length) => used = length,
                None if filled.ended => return Err(self.closed(exchanges.open.get(&stream).map(Box::as_ref))),
                None => return Ok(IoProgress::Moved),
            }
        }
        scratch.output.clear();
        let is_passed = exchanges.open.get(&stream).is_some_and(|exchange| exchange.route == Route::Http1);
        let Http1ResponseState::Body { body, is_persistent } = &mut self.response else { return Ok(IoProgress::Moved) };
        let carried = body.carry(&input[used..], &mut scratch.output).map_err(|fault| Http1Failure::Invalid(fault.0))?;
        if filled.ended && body.ends_by_closing() {
            body.close(&mut Vec::new());
        }
        let (is_done, plain) = (body.is_done(), carried.plain);
        let trailers = if is_done { std::mem::take(&mut body.trailers) } else { Vec::new() };
        let content = if plain.is_empty() { &scratch.output[..] } else { plain };
        if is_passed {
            let end = if is_done && trailers.is_empty() { EndStream::Yes } else { EndStream::No };
            exchanges.pass_http1(Leg::new(downstream, stream), content, end);
            if is_done && !trailers.is_empty() {
                exchanges.end_with_trailers(stream, http1_messages::trailers(&trailers));
            }
        }
        if is_done {
            self.peer.unread(&input[used + carried.consumed..]);
            self.response = Http1ResponseState::Complete { is_persistent: *is_persistent };
        } else if filled.ended {
            return Err(Http1Failure::BrokenOff);
        }
        Ok(IoProgress::Moved)
    }

    /// Handles all complete heads. Returns their length if the final one is among them.
    fn read_heads(
        &mut self,
        input: &[u8],
        stream: StreamId,
        exchanges: &mut Exchanges,
        downstream: &mut Connection,
    ) -> Result<Option<usize>, Http1Failure> {
        let worker = Rc::clone(&exchanges.worker);
        if matches!(self.response, Http1ResponseState::Silent) && speaks_http2(input) {
            return Err(Http1Failure::SpeaksHttp2);
        }
        self.response = Http1ResponseState::Begun;
        let mut used = 0;
        loop {
            let mut slots = worker.limits().slots();
            let (head, length) = match response::parse(&input[used..], &mut slots) {
                Parsed::Complete(head, length) => (head, length),
                Parsed::Partial => {
                    self.peer.unread_partial(&input[used..]);
                    return Ok(None);
                }
                Parsed::Faulty(fault) => return Err(Http1Failure::Invalid(fault.why)),
            };
            used += length;
            let Some(exchange) = exchanges.open.get_mut(&stream) else { return Ok(None) };
            match head.status {
                101 => return Err(Http1Failure::Invalid("the protocol was changed without being asked")),
                ..200 => {
                    exchange.interims += 1;
                    if exchange.interims > INTERIM_MAX {
                        return Err(Http1Failure::Invalid("too many interim responses"));
                    }
                    let list = http1_messages::response(&head, &[], None);
                    // A client that has left needs no interim response.
                    let _ = downstream.inform(stream, list.iter());
                }
                _ => {
                    if let Some(wait) = exchange.next_retry(RetryCause::Status(head.status)) {
                        return Err(Http1Failure::Retry(wait));
                    }
                    self.respond(&worker, &head, stream, exchanges, downstream);
                    return Ok(Some(used));
                }
            }
        }
    }

    /// Sends the final head, or what a decorator puts in its place.
    fn respond(
        &mut self,
        worker: &WorkerContext,
        head: &ResponseHead<'_, '_>,
        stream: StreamId,
        exchanges: &mut Exchanges,
        downstream: &mut Connection,
    ) {
        let framing = head.framing(self.asked);
        let is_persistent = head.is_persistent() && framing != Framing::UntilClose && !head.has_forbidden_body(self.asked);
        let mut body = Body::new(framing, To::Frames);
        if head.connectivity.names_others {
            body.drop_trailers();
        }
        self.response = Http1ResponseState::Body { body, is_persistent };
        worker.note_http();
        let Some(exchange) = exchanges.open.get_mut(&stream) else { return };
        exchange.record.record_response_start();
        exchange.record.set_status(head.status, head.reason);
        exchange.record.settle();
        let fields = match exchange.record.after((head.status, head.reason), || head.fields.into()) {
            Ok(edits) => http1_messages::response(head, &edits, Some(&worker.dates)),
            Err(answer) => {
                exchange.record.answered_by_sitio(&answer);
                let response = own_response::of_decorator(worker, &answer, exchange.facts);
                return exchanges.answer(downstream, stream, &response);
            }
        };
        exchange.record.read_grpc_status(fields.iter());
        begin(exchange, &fields, head, framing, stream, downstream);
        exchanges.note_changed(stream);
    }

    fn closed(&self, exchange: Option<&ProxiedExchange>) -> Http1Failure {
        let is_idempotent = exchange.is_some_and(|exchange| exchange.is_idempotent);
        match self.response {
            Http1ResponseState::Silent if self.origin == ConnectionOrigin::Pooled && is_idempotent => Http1Failure::Stale,
            Http1ResponseState::Silent | Http1ResponseState::Begun => Http1Failure::Closed,
            Http1ResponseState::Body { .. } | Http1ResponseState::Complete { .. } => Http1Failure::BrokenOff,
        }
    }
}

/// Sends the head of the response to the client. A message without a body ends with it.
fn begin(
    exchange: &mut ProxiedExchange,
    fields: &FieldList,
    head: &ResponseHead<'_, '_>,
    framing: Framing,
    stream: StreamId,
    downstream: &mut Connection,
) {
    let end = if framing == Framing::Empty { EndStream::Yes } else { EndStream::No };
    // The stream of a client that has left is closed, and the exchange ends with its reset.
    let _ = downstream.respond(stream, fields.iter(), end);
    exchange.begin_response();
    if end == EndStream::Yes {
        exchange.response.end_at_once();
        exchange.record.complete();
        return;
    }
    exchange.left = head.connectivity.length().filter(|_| !exchange.facts.grpc);
}
