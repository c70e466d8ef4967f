//! The exchanges of one downstream connection, and how each of them ends.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use http2::connection::Connection;
use http2::error_code::ErrorCode;
use http2::frame::{EndStream, StreamId};
use http2::streams::StreamMap;

use crate::decorator::Released;
use crate::exchange::context::WorkerContext;
use crate::exchange::error_response;
use crate::head::answer::{Answer, reason_of};
use crate::http2::held_requests::HeldRequests;
use crate::http2::kept_request::KeptBytes;
use crate::http2::own_response::{NO_ANSWER, OwnResponse};
use crate::http2::proxied_exchange::{ProxiedExchange, ResponseProgress, Route, UpstreamId};
use crate::http2::read_ahead::ReadAhead;
use crate::http2::transfer::{Leg, Moved, TransferState};
use crate::http2::{grpc, own_response};
use crate::upstream::http2::field_list::FieldList;
use crate::upstream::http2::shared::SharedUpstream;

/// The exchanges of one downstream connection.
pub(super) struct Exchanges {
    pub(super) worker: Rc<WorkerContext>,
    pub(super) open: StreamMap<Box<ProxiedExchange>>,
    pub(super) ahead: ReadAhead,
    pub(super) kept: KeptBytes,
    pub(super) held: HeldRequests,
    /// Whether two requests have ever been under way at once.
    pub(super) has_been_concurrent: bool,
    /// Streams whose responses wait for room on the downstream connection.
    backlog: VecDeque<StreamId>,
    /// Exchanges that may be over. They are looked at when no connection is being read.
    changed: Vec<StreamId>,
    /// Streams of the service that no exchange needs any more.
    detached: Vec<Detached>,
}

/// A stream of the service that no exchange needs any more.
pub(super) struct Detached {
    pub(super) from: DetachedFrom,
    pub(super) stream: StreamId,
    /// Bytes to give back to its connection.
    pub(super) owed: usize,
}

/// The connection of such a stream.
pub(super) enum DetachedFrom {
    /// One of the downstream's own.
    Own(UpstreamId),
    /// One that downstreams share.
    Shared(Rc<SharedUpstream>),
}

impl Exchanges {
    pub(super) fn new(worker: Rc<WorkerContext>) -> Self {
        Self {
            worker,
            open: StreamMap::default(),
            ahead: ReadAhead::default(),
            kept: KeptBytes::default(),
            held: HeldRequests::default(),
            has_been_concurrent: false,
            backlog: VecDeque::new(),
            changed: Vec::new(),
            detached: Vec::new(),
        }
    }

    /// Sends a response of the sidecar itself in place of the service's, whose stream is given up.
    pub(super) fn answer(&mut self, downstream: &mut Connection, stream: StreamId, response: &OwnResponse) {
        self.detach(stream);
        let Some(exchange) = self.open.get_mut(&stream) else { return };
        exchange.begin_response();
        let end = if response.body.is_empty() { EndStream::Yes } else { EndStream::No };
        // The stream of a downstream that has left is closed, and the exchange ends with it.
        let _ = downstream.respond(stream, response.fields.iter(), end);
        exchange.record.add_bytes(response.body.len());
        exchange.record.close();
        if end == EndStream::Yes {
            exchange.response.end_at_once();
        } else {
            exchange.response.keep_own(&response.body, EndStream::Yes);
            self.queue_response(stream);
        }
        self.changed.push(stream);
    }

    /// Ends an exchange that the service has not answered: with this response of the sidecar if no other one has begun.
    pub(super) fn fail(&mut self, downstream: &mut Connection, stream: StreamId, answer: &Answer) {
        let Some(exchange) = self.open.get_mut(&stream) else { return };
        if exchange.progress == ResponseProgress::Awaited {
            exchange.record.set_status(answer.status, reason_of(answer.status));
            exchange.record.set_outcome(error_response::outcome(answer));
            let response = own_response::unavailable(&self.worker, answer, NO_ANSWER, exchange.facts);
            return self.answer(downstream, stream, &response);
        }
        self.break_off(downstream, stream, "The service behind this sidecar closed the connection.");
    }

    /// Lets a request wait, and then be sent again on another connection.
    pub(super) fn retry_after(&mut self, stream: StreamId, wait: Duration) {
        self.detach(stream);
        let Some(exchange) = self.open.get_mut(&stream) else { return };
        // Whether all of it is here was checked when it was decided to send it again.
        exchange.request.rewind();
        (exchange.route, exchange.shared) = (Route::Held, None);
        let hold = async move {
            tokio::time::sleep(wait).await;
            Released::Pass(Vec::new())
        };
        self.held.push(stream, Box::pin(hold));
    }

    /// Ends an exchange whose response has not begun in time.
    pub(super) fn time_out(&mut self, downstream: &mut Connection, stream: StreamId) {
        let Some(exchange) = self.open.get_mut(&stream) else { return };
        let answer = error_response::timed_out(exchange.record.audience());
        exchange.record.set_status(answer.status, reason_of(answer.status));
        exchange.record.set_outcome(error_response::outcome(&answer));
        let response = own_response::too_late(&self.worker, &answer, exchange.facts);
        self.answer(downstream, stream, &response);
    }

    /// Ends a response that the service has begun and not completed. A gRPC client gets trailers: without them, it
    /// would see a protocol error and not retry.
    pub(super) fn break_off(&mut self, downstream: &mut Connection, stream: StreamId, message: &'static str) {
        self.detach(stream);
        let Some(exchange) = self.open.get_mut(&stream) else { return };
        if exchange.record.is_grpc() {
            exchange.record.unavailable();
            exchange.response.keep_trailers(grpc::unavailable_trailers(message));
            return self.queue_response(stream);
        }
        self.reset(downstream, stream, ErrorCode::INTERNAL_ERROR);
    }

    /// Ends a response that was aborted, and resets the downstream's stream with this code.
    pub(super) fn reset(&mut self, downstream: &mut Connection, stream: StreamId, code: ErrorCode) {
        self.detach(stream);
        if let Some(mut exchange) = self.open.remove(&stream) {
            exchange.record.abort();
            downstream.reset(stream, code);
            exchange.request.discard(downstream, &mut self.ahead);
        }
    }

    /// Ends a response with trailers.
    pub(super) fn end_with_trailers(&mut self, stream: StreamId, trailers: FieldList) {
        let Some(exchange) = self.open.get_mut(&stream) else { return };
        exchange.record.read_grpc_status(trailers.iter());
        exchange.response.keep_trailers(trailers);
        self.queue_response(stream);
    }

    /// Gives up the service's part of an exchange.
    pub(super) fn detach(&mut self, stream: StreamId) {
        let Some(exchange) = self.open.get_mut(&stream) else { return };
        let (from, stream) = match std::mem::replace(&mut exchange.route, Route::None) {
            Route::Upstream { upstream, stream, .. } => {
                exchange.avoids = Some(upstream);
                (DetachedFrom::Own(upstream), stream)
            }
            Route::Shared { stream, .. } => {
                let Some(shared) = exchange.shared.take() else { return };
                (DetachedFrom::Shared(shared), stream)
            }
            Route::Held => return self.held.remove(stream),
            Route::Waiting | Route::Http1 | Route::None => return,
        };
        let owed = exchange.response.detach_sender(&mut self.ahead);
        self.detached.push(Detached { from, stream, owed });
    }

    /// Notes that an exchange may be over.
    pub(super) fn note_changed(&mut self, stream: StreamId) {
        self.changed.push(stream);
    }

    /// Removes the exchanges that are over. A request that the service still reads goes on after its response.
    pub(super) fn remove_ended(&mut self, downstream: &mut Connection) {
        while let Some(stream) = self.changed.pop() {
            let Some(exchange) = self.open.get(&stream) else { continue };
            let is_read = matches!(exchange.route, Route::Upstream { .. }) && !exchange.request.is_ended();
            if !exchange.response.is_ended() || is_read {
                continue;
            }
            self.detach(stream);
            if let Some(mut exchange) = self.open.remove(&stream) {
                // Nothing reads the rest of the request, and the response is whole (RFC 9113, section 8.1).
                downstream.reset(stream, ErrorCode::NO_ERROR);
                exchange.request.discard(downstream, &mut self.ahead);
            }
        }
    }

    /// Takes a stream of the service that is no longer needed.
    pub(super) fn take_detached(&mut self) -> Option<Detached> {
        self.detached.pop()
    }

    /// Lets a response wait for its turn.
    pub(super) fn queue_response(&mut self, stream: StreamId) {
        if let Some(exchange) = self.open.get_mut(&stream)
            && !std::mem::replace(&mut exchange.response.is_queued, true)
        {
            self.backlog.push_back(stream);
        }
    }

    /// Lets all responses that wait for a window try again.
    pub(super) fn queue_all_responses(&mut self) {
        for (stream, exchange) in &mut self.open {
            if exchange.response.has_waiting() && !std::mem::replace(&mut exchange.response.is_queued, true) {
                self.backlog.push_back(*stream);
            }
        }
    }

    /// Takes the next response whose turn it is.
    pub(super) fn next_response(&mut self) -> Option<StreamId> {
        let stream = self.backlog.pop_front()?;
        if let Some(exchange) = self.open.get_mut(&stream) {
            exchange.response.is_queued = false;
        }
        Some(stream)
    }

    /// Whether responses wait for their turn.
    pub(super) fn has_queued_responses(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Sends a piece of the service's response.
    pub(super) fn pass_response(&mut self, from: Leg<'_>, to: Leg<'_>, bytes: &[u8], end: EndStream) {
        let stream = to.stream;
        let Some(exchange) = self.open.get_mut(&stream) else {
            return from.connection.release(from.stream, bytes.len());
        };
        let moved = exchange.response.pass(from, to, bytes, end, &mut self.ahead);
        self.after_response(stream, moved);
    }

    /// Sends a piece of a response that came over HTTP/1.
    pub(super) fn pass_http1(&mut self, to: Leg<'_>, bytes: &[u8], end: EndStream) {
        let stream = to.stream;
        let Some(exchange) = self.open.get_mut(&stream) else { return };
        exchange.response.keep_own(bytes, end);
        self.resume_response(None, to);
    }

    /// Sends what waits of a response.
    pub(super) fn resume_response(&mut self, from: Option<Leg<'_>>, to: Leg<'_>) {
        let stream = to.stream;
        let Some(exchange) = self.open.get_mut(&stream) else { return };
        let moved = exchange.response.resume(from, to, &mut self.ahead);
        self.after_response(stream, moved);
    }

    fn after_response(&mut self, stream: StreamId, moved: Moved) {
        let Some(exchange) = self.open.get_mut(&stream) else { return };
        exchange.count_response_bytes(moved.bytes);
        match moved.state {
            TransferState::Turn | TransferState::Connection => self.queue_response(stream),
            TransferState::Ended => {
                exchange.record.complete();
                self.changed.push(stream);
            }
            TransferState::Content | TransferState::StreamWindow | TransferState::Closed => {}
        }
    }

    /// Counts a request that is refused before it has an endpoint.
    pub(super) fn count_refused(&self, fault: crate::head::HeadFault, caller: std::net::IpAddr, path: Cow<'_, str>) {
        self.worker.count_refused(fault, caller, path);
    }
}
