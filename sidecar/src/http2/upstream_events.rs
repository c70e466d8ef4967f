//! What the service sends: responses are rewritten and sent to the client; what it has not processed is sent again.

use std::rc::Rc;

use http2::connection::Connection;
use http2::connection::handler::{Handler, SectionPart, Writable};
use http2::error_code::{ErrorCode, StreamError};
use http2::frame::{EndStream, StreamId};
use http2::message::field_section::FieldSection;
use http2::streams::StreamMap;

use crate::decorator::retry_policy::RetryCause;
use crate::exchange::error_response;
use crate::head::answer::Edit;
use crate::head::response::INTERIM_MAX;
use crate::http2::exchanges::Exchanges;
use crate::http2::proxied_exchange::{ResponseProgress, Route, UpstreamId};
use crate::http2::request_head::view;
use crate::http2::transfer::Leg;
use crate::http2::{grpc, own_response, response_head};
use crate::upstream::http2::shared::SharedId;

/// How often a request is sent that the service does not process. Each time is on another connection, or after other
/// streams have ended.
pub(super) const ATTEMPTS_MAX: usize = 5;

/// The events of a connection to the service.
pub(super) struct UpstreamEvents<'a> {
    pub(super) exchanges: &'a mut Exchanges,
    pub(super) downstream: &'a mut Connection,
    pub(super) source: Source<'a>,
    pub(super) state: &'a mut UpstreamState,
}

/// Which connection the events are from.
pub(super) enum Source<'a> {
    /// One of the downstream's own, with the downstream's streams by the service's.
    Own { id: UpstreamId, streams: &'a mut StreamMap<StreamId> },
    /// One that downstreams share. The event is for the downstream's stream `to`.
    Shared { id: SharedId, to: StreamId },
}

/// What has happened on a connection to the service.
#[derive(Debug, Default)]
pub(super) struct UpstreamState {
    /// Its SETTINGS have arrived.
    pub(super) settings: bool,
    /// A stream was refused while so many others were open.
    pub(super) refused_at: Option<usize>,
    /// Streams that were reset.
    pub(super) resets: u32,
    /// Requests that can be sent again, by the downstream's streams.
    pub(super) unprocessed: Vec<StreamId>,
    /// Request bodies that can go on.
    pub(super) writable: Vec<Writable>,
}

impl Handler for UpstreamEvents<'_> {
    fn head(&mut self, _: &mut Connection, stream: StreamId, section: &FieldSection, end: EndStream) {
        let Some(to) = self.target(stream) else { return };
        let Some(exchange) = self.exchanges.open.get_mut(&to) else { return };
        let status = section.status().unwrap_or_default();
        if status < 200 {
            exchange.interims += 1;
            if exchange.interims <= INTERIM_MAX {
                return response_head::inform(self.downstream, to, section);
            }
            return self.fail_invalid(to, "too many interim responses");
        }
        self.exchanges.worker.note_http();
        if let Some(wait) = exchange.next_retry(RetryCause::Status(status)) {
            return self.exchanges.retry_after(to, wait);
        }
        exchange.record.record_response_start();
        exchange.record.set_status(status, "");
        exchange.record.read_grpc_status(section.regular());
        if end == EndStream::No {
            exchange.record.settle();
        }
        match exchange.record.after((status, ""), || view(section).into()) {
            Ok(edits) => self.respond(to, section, &edits, end),
            Err(answer) => {
                exchange.record.answered_by_sitio(&answer);
                let response = own_response::of_decorator(&self.exchanges.worker, &answer, exchange.facts);
                self.exchanges.answer(self.downstream, to, &response);
            }
        }
    }

    fn data(&mut self, connection: &mut Connection, stream: StreamId, bytes: &[u8], end: EndStream) {
        match self.target(stream) {
            Some(to) => {
                let from = match self.source {
                    Source::Own { .. } => Leg::new(connection, stream),
                    Source::Shared { .. } => Leg::shared(connection, stream),
                };
                self.exchanges.pass_response(from, Leg::new(self.downstream, to), bytes, end);
            }
            None => connection.release(stream, bytes.len()),
        }
    }

    fn trailers(&mut self, _: &mut Connection, stream: StreamId, section: &FieldSection) {
        let Some(to) = self.target(stream) else { return };
        self.exchanges.end_with_trailers(to, response_head::trailers(section));
    }

    fn too_large(&mut self, _: &mut Connection, stream: StreamId, part: SectionPart) {
        let Some(to) = self.target(stream) else { return };
        let Some(exchange) = self.exchanges.open.get_mut(&to) else { return };
        if part == SectionPart::Head {
            exchange.record.record_response_start();
            exchange.record.set_too_large("head too large");
            let answer = error_response::invalid_response("the head is over 512 KiB", exchange.record.audience());
            let response = own_response::head_too_large(&self.exchanges.worker, &answer, exchange.facts);
            return self.exchanges.answer(self.downstream, to, &response);
        }
        exchange.record.set_too_large("trailers too large");
        exchange.record.close();
        if exchange.facts.grpc {
            self.exchanges.end_with_trailers(to, grpc::trailers_too_large());
        } else {
            self.exchanges.reset(self.downstream, to, ErrorCode::INTERNAL_ERROR);
        }
    }

    fn failed(&mut self, _: &mut Connection, stream: StreamId, error: StreamError) {
        tracing::debug!(%error, "a response of the service over HTTP/2 is malformed");
        self.state.resets += 1;
        if let Some(to) = self.target(stream) {
            self.fail_invalid(to, error.reason);
        }
    }

    fn reset(&mut self, _: &mut Connection, stream: StreamId, code: ErrorCode) {
        self.state.resets += 1;
        let Some(to) = self.target(stream) else { return };
        let Some(exchange) = self.exchanges.open.get_mut(&to) else { return };
        if exchange.response.is_complete() {
            // The service wants no more of the request (RFC 9113, section 8.1). Its response is whole.
            exchange.request.discard(self.downstream, &mut self.exchanges.ahead);
            self.exchanges.detach(to);
            return self.exchanges.note_changed(to);
        }
        match exchange.next_retry(RetryCause::Reset) {
            Some(wait) => self.exchanges.retry_after(to, wait),
            None => self.exchanges.reset(self.downstream, to, code),
        }
    }

    fn unprocessed(&mut self, connection: &mut Connection, stream: StreamId) {
        let to = self.target(stream);
        if let Source::Own { streams, .. } = &mut self.source {
            streams.remove(&stream);
        }
        // The service refuses this stream, and keeps the others.
        if connection.can_open().is_ok() {
            self.state.refused_at = Some(connection.streams().max(1));
        }
        let Some(to) = to else { return };
        let Some(exchange) = self.exchanges.open.get_mut(&to) else { return };
        (exchange.route, exchange.shared) = (Route::Waiting, None);
        let is_awaited = exchange.progress == ResponseProgress::Awaited && !exchange.response.is_complete();
        if is_awaited && exchange.attempts < ATTEMPTS_MAX && exchange.request.rewind() {
            self.state.unprocessed.push(to);
        } else {
            // The client may send it again: it was not processed.
            self.exchanges.reset(self.downstream, to, ErrorCode::REFUSED_STREAM);
        }
    }

    fn writable(&mut self, _: &mut Connection, writable: Writable) {
        self.state.writable.push(writable);
    }

    fn settings(&mut self, connection: &mut Connection) {
        self.state.settings = true;
        self.exchanges.worker.service.http2.note_settings(connection);
    }
}

impl UpstreamEvents<'_> {
    /// The downstream's stream of an exchange that this connection still serves.
    fn target(&self, stream: StreamId) -> Option<StreamId> {
        let to = match &self.source {
            Source::Own { streams, .. } => *streams.get(&stream)?,
            Source::Shared { to, .. } => *to,
        };
        let route = self.exchanges.open.get(&to)?.route;
        let is_served = match (&self.source, route) {
            (Source::Own { id, .. }, Route::Upstream { upstream, stream: served, .. }) => (upstream, served) == (*id, stream),
            (Source::Shared { id, .. }, Route::Shared { shared, stream: served }) => (shared, served) == (*id, stream),
            _ => false,
        };
        is_served.then_some(to)
    }

    fn respond(&mut self, to: StreamId, section: &FieldSection, edits: &[Edit], end: EndStream) {
        let worker = Rc::clone(&self.exchanges.worker);
        response_head::respond(&worker, self.downstream, to, section, edits, end);
        let Some(exchange) = self.exchanges.open.get_mut(&to) else { return };
        exchange.begin_response();
        if end == EndStream::Yes {
            exchange.response.end_at_once();
            exchange.record.complete();
            return self.exchanges.note_changed(to);
        }
        exchange.left = section.content_length().filter(|_| !exchange.facts.head_only && !exchange.facts.grpc);
        exchange.count_response_bytes(0);
    }

    fn fail_invalid(&mut self, to: StreamId, why: &str) {
        let Some(exchange) = self.exchanges.open.get(&to) else { return };
        let answer = error_response::invalid_response(why, exchange.record.audience());
        self.exchanges.fail(self.downstream, to, &answer);
    }
}
