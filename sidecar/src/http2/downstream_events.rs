//! What the client sends: requests are judged, decided on and sent to the service.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use http2::connection::Connection;
use http2::connection::handler::{Handler, SectionPart, Writable};
use http2::error_code::{ErrorCode, StreamError};
use http2::frame::{EndStream, StreamId};
use http2::message::field_section::FieldSection;
use mesh::refusal::RefusalReason;

use crate::exchange::decide::Action;
use crate::exchange::error_response;
use crate::head::HeadFault;
use crate::head::answer::{Audience, Edit};
use crate::head::request::{RequestHead, TOO_LARGE};
use crate::http2::exchange_record::{ExchangeRecord, Grpc};
use crate::http2::exchanges::Exchanges;
use crate::http2::kept_request::KeptHead;
use crate::http2::own_response::{NO_ANSWER, RequestFacts, TURNED_OFF};
use crate::http2::proxied_exchange::{ProxiedExchange, ResponseProgress, Route};
use crate::http2::transfer::{Leg, TransferState};
use crate::http2::upstreams::{Placed, Upstreams};
use crate::http2::{grpc, own_response, request_head, shared_exchange};
use crate::upstream::http2::connection::Memory;
use crate::upstream::http2::field_list::FieldList;
use crate::upstream::http2::shared::ExchangeEvents;

/// The fault of a request that the connection has refused. `StreamError` has the details, for the log.
const MALFORMED: HeadFault = HeadFault { status: 400, reason: RefusalReason::Http2, why: "the head is malformed" };

/// Requests that a client may cancel and still share a connection to the service. Services count the resets that result.
const CANCELLED_SHARED_MAX: u64 = 2;

/// The properties of a request without a valid head.
const NO_FACTS: RequestFacts = RequestFacts { grpc: false, head_only: false };

/// The events of a downstream connection.
pub(super) struct DownstreamEvents<'a> {
    pub(super) exchanges: &'a mut Exchanges,
    pub(super) upstreams: &'a mut Upstreams,
    pub(super) caller: IpAddr,
    /// The fields that describe the downstream to the service.
    pub(super) forwarded: &'a FieldList,
    pub(super) requests: &'a mut u64,
    pub(super) is_drained: &'a mut bool,
    /// Takes the events of a shared connection.
    pub(super) receiver: Option<&'a Rc<dyn ExchangeEvents>>,
    pub(super) now: Instant,
}

impl Handler for DownstreamEvents<'_> {
    fn head(&mut self, connection: &mut Connection, stream: StreamId, section: &FieldSection, end: EndStream) {
        *self.requests += 1;
        let worker = Rc::clone(&self.exchanges.worker);
        let facts = RequestFacts { grpc: grpc::is_grpc(section.regular()), head_only: section.method() == Some(b"HEAD") };
        let fields = request_head::view(section);
        match request_head::judge(section, &fields, worker.limits(), worker.service.http2.extended_connect()) {
            Ok(head) => self.begin(connection, stream, section, &head, facts, end),
            Err(fault) => {
                let path = String::from_utf8_lossy(section.path().unwrap_or_default());
                let path = path.split('?').next().unwrap_or_default().to_owned();
                self.refuse(connection, stream, fault, path, facts, end);
            }
        }
    }

    fn data(&mut self, connection: &mut Connection, stream: StreamId, bytes: &[u8], end: EndStream) {
        let Some(exchange) = self.exchanges.open.get_mut(&stream) else {
            return connection.release(stream, bytes.len());
        };
        exchange.record.add_request_bytes(bytes.len());
        (exchange.moved, exchange.expects) = (self.now, false);
        let ahead = &mut self.exchanges.ahead;
        let mut from = Leg::new(connection, stream);
        match exchange.route {
            Route::Waiting | Route::Held | Route::Http1 => exchange.request.keep(&mut from, bytes, end, ahead),
            Route::None | Route::Shared { .. } => from.connection.release(stream, bytes.len()),
            Route::Upstream { upstream, stream: to, .. } => {
                let Some(upstream) = self.upstreams.get(upstream) else {
                    return from.connection.release(stream, bytes.len());
                };
                let to = Leg::new(&mut upstream.connection, to);
                let moved = exchange.request.pass(from, to, bytes, end, ahead);
                let waits = matches!(moved.state, TransferState::Turn | TransferState::Connection);
                if waits && !std::mem::replace(&mut exchange.request.is_queued, true) {
                    upstream.backlog.push_back(stream);
                }
            }
        }
        if end == EndStream::Yes {
            self.exchanges.note_changed(stream);
        }
    }

    fn trailers(&mut self, _: &mut Connection, stream: StreamId, section: &FieldSection) {
        let Some(exchange) = self.exchanges.open.get_mut(&stream) else { return };
        let mut list = FieldList::default();
        // Some services take trailers for fields of the head, where a guard has removed forged ones.
        if !exchange.record.is_guarded() {
            section.regular().for_each(|field| list.push(field));
        }
        exchange.request.keep_trailers(list);
        if let Route::Upstream { upstream, .. } = exchange.route
            && let Some(upstream) = self.upstreams.get(upstream)
            && !std::mem::replace(&mut exchange.request.is_queued, true)
        {
            upstream.backlog.push_back(stream);
        }
        self.exchanges.note_changed(stream);
    }

    fn too_large(&mut self, connection: &mut Connection, stream: StreamId, part: SectionPart) {
        match part {
            SectionPart::Head => {
                *self.requests += 1;
                self.refuse(connection, stream, TOO_LARGE, String::new(), NO_FACTS, EndStream::No);
            }
            SectionPart::Trailers => self.end_malformed(connection, stream, TOO_LARGE),
        }
    }

    fn failed(&mut self, connection: &mut Connection, stream: StreamId, error: StreamError) {
        tracing::debug!(%error, caller = %self.caller, "a request over HTTP/2 was malformed");
        if self.exchanges.open.contains_key(&stream) {
            self.end_malformed(connection, stream, MALFORMED);
        } else {
            self.exchanges.count_refused(MALFORMED, self.caller, "".into());
        }
    }

    fn reset(&mut self, connection: &mut Connection, stream: StreamId, _: ErrorCode) {
        self.exchanges.detach(stream);
        self.exchanges.held.remove(stream);
        // Dropping its record counts the exchange as cancelled by its client, unless it is complete.
        if let Some(mut exchange) = self.exchanges.open.remove(&stream) {
            exchange.request.discard(connection, &mut self.exchanges.ahead);
        }
    }

    fn unprocessed(&mut self, _: &mut Connection, _: StreamId) {}

    fn writable(&mut self, _: &mut Connection, writable: Writable) {
        match writable {
            Writable::Stream(stream) => self.exchanges.queue_response(stream),
            Writable::Connection => self.exchanges.queue_all_responses(),
        }
    }

    fn pong(&mut self, _: &mut Connection, _: [u8; 8]) {
        *self.is_drained = true;
    }
}

impl DownstreamEvents<'_> {
    /// Starts the exchange of a valid head: answers it, or sends it to the service.
    fn begin(
        &mut self,
        connection: &mut Connection,
        stream: StreamId,
        section: &FieldSection,
        head: &RequestHead<'_, '_>,
        facts: RequestFacts,
        end: EndStream,
    ) {
        let worker = Rc::clone(&self.exchanges.worker);
        let grpc = if facts.grpc { Grpc::Awaited } else { Grpc::No };
        let (mut record, covering) = ExchangeRecord::open(&worker, self.caller, head, grpc, self.now);
        let action = record.decide(covering.as_ref(), head);
        let mut exchange = Box::new(ProxiedExchange::new(record, facts, end, &self.exchanges.kept, self.now));
        let (answer, response) = match action {
            Action::Forward(_) | Action::Hold(..) if self.exchanges.kept.is_full() => {
                let answer = error_response::overloaded_by_requests();
                let response = own_response::unavailable(&worker, &answer, NO_ANSWER, facts);
                (answer, response)
            }
            Action::Hold(hold, edits) => {
                self.keep_head(&mut exchange, section, head, &edits);
                exchange.route = Route::Held;
                self.exchanges.open.insert(stream, exchange);
                return self.exchanges.held.push(stream, hold);
            }
            Action::Forward(edits) => {
                self.keep_head(&mut exchange, section, head, &edits);
                exchange.route = Route::Waiting;
                let is_usual = section.protocol().is_none() && !exchange.record.has_plan();
                let may_share = end == EndStream::Yes && exchange.is_idempotent && is_usual;
                if may_share && self.share(connection, stream, &mut exchange) {
                    self.exchanges.open.insert(stream, exchange);
                    return;
                }
                // Requests are sent in the order in which they came.
                let is_first = !self.upstreams.has_waiting() && exchange.record.other_service().is_none();
                if !is_first || self.upstreams.place(worker.service.http2.protocol(), stream, &mut exchange) != Placed::Sent {
                    self.upstreams.wait(stream);
                }
                self.exchanges.open.insert(stream, exchange);
                return;
            }
            Action::AnswerByRule(answer) => {
                let response = own_response::unavailable(&worker, &answer, TURNED_OFF, facts);
                (answer, response)
            }
            Action::Answer(answer) => {
                let response = own_response::of_decorator(&worker, &answer, facts);
                (answer, response)
            }
        };
        exchange.record.answered_by_sitio(&answer);
        self.exchanges.open.insert(stream, exchange);
        self.exchanges.answer(connection, stream, &response);
    }

    /// Keeps the head of a request, as the service gets it.
    fn keep_head(&self, exchange: &mut ProxiedExchange, section: &FieldSection, head: &RequestHead<'_, '_>, edits: &[Edit]) {
        let mut fields = FieldList::reusing(exchange.record.take_buffer());
        let proto = self.exchanges.worker.forwarding().forwarded_proto();
        request_head::for_service(&mut fields, section, head, self.forwarded, proto, edits);
        exchange.head = KeptHead::new(fields, &self.exchanges.kept);
        (exchange.is_idempotent, exchange.expects) = (head.is_idempotent(), head.connectivity.expects);
    }

    /// Sends a request without a body on the connection that downstreams share. A client that has had several requests under
    /// way at once, or that has cancelled some, uses connections of its own.
    fn share(&mut self, connection: &Connection, stream: StreamId, exchange: &mut ProxiedExchange) -> bool {
        self.exchanges.has_been_concurrent |= !self.exchanges.open.is_empty();
        let is_apart = self.exchanges.has_been_concurrent || connection.resets() > CANCELLED_SHARED_MAX;
        if is_apart || Memory::of_worker() == Memory::Short {
            return false;
        }
        let worker = &self.exchanges.worker;
        if worker.service.http2.should_share() {
            shared_exchange::open_connection(worker);
        }
        let (Some(shared), Some(receiver)) = (worker.service.http2.shared(), self.receiver) else { return false };
        let Some(opened) = shared.open(exchange.head.fields().iter(), receiver, stream) else { return false };
        exchange.attempts += 1;
        exchange.request.end_with_head();
        exchange.route = Route::Shared { shared: shared.id(), stream: opened };
        exchange.shared = Some(shared);
        true
    }

    /// Answers a request that is not valid, and counts it without an endpoint.
    fn refuse(
        &mut self,
        connection: &mut Connection,
        stream: StreamId,
        fault: HeadFault,
        path: String,
        facts: RequestFacts,
        end: EndStream,
    ) {
        let worker = Rc::clone(&self.exchanges.worker);
        self.exchanges.count_refused(fault, self.caller, path.into());
        let response = own_response::plain(&worker, &error_response::for_request(fault, Audience::Program), facts);
        let exchange = ProxiedExchange::new(ExchangeRecord::refused(&worker), facts, end, &self.exchanges.kept, self.now);
        self.exchanges.open.insert(stream, Box::new(exchange));
        self.exchanges.answer(connection, stream, &response);
    }

    /// Ends an exchange whose request turned out to be malformed after its head.
    fn end_malformed(&mut self, connection: &mut Connection, stream: StreamId, fault: HeadFault) {
        let Some(exchange) = self.exchanges.open.get_mut(&stream) else { return };
        exchange.record.malformed(fault.status);
        if exchange.progress == ResponseProgress::Awaited && connection.is_open(stream) {
            let answer = error_response::for_request(fault, exchange.record.audience());
            let response = own_response::plain(&self.exchanges.worker, &answer, exchange.facts);
            return self.exchanges.answer(connection, stream, &response);
        }
        self.exchanges.reset(connection, stream, ErrorCode::PROTOCOL_ERROR);
    }
}
