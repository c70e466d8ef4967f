//! Translates a response from HTTP/2 to HTTP/1.1: heads, content and trailers.

use std::time::Duration;

use http2::connection::Connection;
use http2::connection::handler::{Handler, SectionPart, Writable};
use http2::error_code::{ErrorCode, StreamError};
use http2::frame::{EndStream, StreamId};
use http2::message::field_section::FieldSection;
use httparse::Header;

use crate::body::chunked::may_trail;
use crate::body::{Body, To};
use crate::decorator::retry_policy::RetryCause;
use crate::exchange::context::WorkerContext;
use crate::exchange::{Exchange, KeepAlive, Repeatable, decorate, error_response};
use crate::head::answer::{Answer, reason_of};
use crate::head::fields::{Connectivity, Sender};
use crate::head::response::{INTERIM_MAX, LineFolding, ResponseHead, ResponseTo};
use crate::head::write::{self, BodyPresence, Persistence, Plan};
use crate::head::{Framing, Version};
use crate::http1::relay::RelayError;
use crate::recorder::completed_exchange::Author;
use crate::upstream::service_pools::ServicePools;

/// How far the response has come.
pub(super) struct Http2Response {
    stream: StreamId,
    /// How the body is framed for the client, once the final head was written.
    body: Option<Body>,
    persistence: Persistence,
    interims: usize,
    progress: ResponseProgress,
    has_settings: bool,
}

/// The state of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseProgress {
    Open,
    Complete,
    Failed(RelayError),
}

/// The events of the connection: the response is written to `out`.
pub(super) struct ResponseEvents<'a> {
    pub(super) response: &'a mut Http2Response,
    pub(super) worker: &'a WorkerContext,
    pub(super) service: &'a ServicePools,
    pub(super) exchange: &'a mut Exchange,
    pub(super) out: &'a mut Vec<u8>,
}

impl Http2Response {
    /// The response on this stream, of which nothing has arrived.
    pub(super) fn new(stream: StreamId) -> Self {
        let progress = ResponseProgress::Open;
        Self { stream, body: None, persistence: Persistence::Close, interims: 0, progress, has_settings: false }
    }

    /// Whether the final head was written.
    pub(super) fn has_head(&self) -> bool {
        self.body.is_some()
    }

    /// The wait before the request is sent again, if a decorator wants that, all of it is at hand, and nothing of a response has
    /// reached the client.
    pub(super) fn retry(&self, cause: RetryCause, exchange: &mut Exchange, worker: &WorkerContext) -> Option<Duration> {
        let is_possible = exchange.repeatable == Repeatable::Yes && self.interims == 0 && !self.has_head();
        if is_possible { exchange.next_retry(cause, worker.timeouts()) } else { None }
    }

    /// Whether the whole response was written.
    pub(super) fn is_complete(&self) -> bool {
        self.progress == ResponseProgress::Complete
    }

    /// Whether the service's SETTINGS have arrived.
    pub(super) fn has_settings(&self) -> bool {
        self.has_settings
    }

    /// What the client was sent about its connection.
    pub(super) fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// The error that has ended the stream, if one has.
    pub(super) fn check(&self) -> Result<(), RelayError> {
        match self.progress {
            ResponseProgress::Failed(error) => Err(error),
            ResponseProgress::Open | ResponseProgress::Complete => Ok(()),
        }
    }
}

impl Handler for ResponseEvents<'_> {
    fn head(&mut self, connection: &mut Connection, stream: StreamId, section: &FieldSection, end: EndStream) {
        if stream != self.response.stream {
            return connection.reset(stream, ErrorCode::CANCEL);
        }
        let fields: Vec<Header<'_>> = section.regular().map(|field| header(field.name, field.value)).collect();
        let status = section.status().unwrap_or_default();
        let Ok(connectivity) = Connectivity::read(&fields, Version::Http11, Sender::Service) else {
            return self.fail(RelayError::InvalidResponse("the head contradicts itself"));
        };
        let head = ResponseHead {
            status,
            reason: reason_of(status),
            version: Version::Http11,
            fields: &fields,
            connectivity,
            folds: LineFolding::None,
        };
        if status < 200 {
            return self.inform(&head);
        }
        match self.response.retry(RetryCause::Status(status), self.exchange, self.worker) {
            Some(wait) => self.fail(RelayError::Retry(wait)),
            None => self.respond(&head, end),
        }
    }

    fn data(&mut self, connection: &mut Connection, stream: StreamId, bytes: &[u8], end: EndStream) {
        // The client's socket holds back the next read, so the window can open at once.
        connection.release(stream, bytes.len());
        let Some(body) = self.response.body.as_mut().filter(|_| stream == self.response.stream) else { return };
        let before = body.bytes;
        if let Ok(carried) = body.carry(bytes, self.out) {
            self.out.extend_from_slice(carried.plain);
        }
        if !body.is_to_nothing() {
            self.exchange.bytes_out += body.bytes - before;
        }
        if end == EndStream::Yes {
            self.finish(&[]);
        }
    }

    fn trailers(&mut self, _: &mut Connection, stream: StreamId, trailers: &FieldSection) {
        if stream == self.response.stream {
            let passed = trailers.regular().filter(|field| std::str::from_utf8(field.name).is_ok_and(may_trail));
            let lines: Vec<u8> = passed.flat_map(|field| [field.name, b": ", field.value, b"\r\n"].concat()).collect();
            self.finish(&lines);
        }
    }

    fn too_large(&mut self, _: &mut Connection, stream: StreamId, _: SectionPart) {
        if stream == self.response.stream {
            self.fail(RelayError::InvalidResponse("the head or the trailers are over 512 KiB"));
        }
    }

    fn failed(&mut self, _: &mut Connection, stream: StreamId, error: StreamError) {
        if stream == self.response.stream {
            self.fail(RelayError::InvalidResponse(error.reason));
        }
    }

    fn reset(&mut self, _: &mut Connection, stream: StreamId, _: ErrorCode) {
        // After a whole response, the service only wants no more of the request (RFC 9113, section 8.1).
        if stream == self.response.stream && !self.response.is_complete() {
            self.fail(RelayError::Reset);
        }
    }

    fn unprocessed(&mut self, _: &mut Connection, stream: StreamId) {
        if stream == self.response.stream {
            self.fail(RelayError::StaleConnection);
        }
    }

    fn writable(&mut self, _: &mut Connection, _: Writable) {}

    fn settings(&mut self, connection: &mut Connection) {
        self.response.has_settings = true;
        self.service.http2.note_settings(connection);
    }
}

impl ResponseEvents<'_> {
    fn fail(&mut self, error: RelayError) {
        if matches!(self.response.progress, ResponseProgress::Failed(RelayError::Retry(_))) {
            return;
        }
        let error = match error {
            RelayError::Reset | RelayError::InvalidResponse(_) if self.response.has_head() => RelayError::ResponseAborted,
            error => error,
        };
        self.response.progress = ResponseProgress::Failed(error);
    }

    fn inform(&mut self, head: &ResponseHead<'_, '_>) {
        self.response.interims += 1;
        if self.response.interims > INTERIM_MAX {
            return self.fail(RelayError::InvalidResponse("too many interim responses"));
        }
        if self.exchange.version == Version::Http11 {
            write::response(self.out, head, Plan::bare(Persistence::Keep));
        }
    }

    fn respond(&mut self, head: &ResponseHead<'_, '_>, end: EndStream) {
        let length = head.connectivity.framing(Framing::Chunked);
        let has_none = end == EndStream::Yes || self.exchange.asked == ResponseTo::HeadOnly || matches!(head.status, 204 | 304);
        let framing = match (length, self.exchange.version) {
            // Some clients expect no body, whatever the fields say (RFC 9110, section 15.3.6).
            _ if head.status == 205 => Framing::Length(0),
            _ if has_none && head.connectivity.length().is_some() => Framing::Empty,
            _ if has_none && self.exchange.asked == ResponseTo::HeadOnly => Framing::Empty,
            _ if has_none && matches!(head.status, 204 | 304) => Framing::Empty,
            _ if has_none => Framing::Length(0),
            (Framing::Chunked, Version::Http10) => Framing::UntilClose,
            (length, _) => length,
        };
        match decorate::after(self.worker.decorators(), self.exchange, (head.status, head.reason), head.fields) {
            Ok(edits) => self.pass_on(head, framing, &edits),
            Err(answer) => self.replace(&answer),
        }
        if end == EndStream::Yes {
            self.finish(&[]);
        }
    }

    fn pass_on(&mut self, head: &ResponseHead<'_, '_>, framing: Framing, edits: &[crate::head::answer::Edit]) {
        let persistence = self.persistence_of(framing);
        self.exchange.answered(head.status, head.reason);
        let (states_length, dates) = (head.status != 204, Some(&self.worker.dates));
        let plan = Plan { framing, states_length, persistence, upgrade: None, edits, dates };
        write::response(self.out, head, plan);
        let to = match framing {
            _ if head.status == 205 => To::Nothing,
            Framing::Chunked => To::Chunks,
            _ => To::Plain,
        };
        self.response.persistence = persistence;
        self.response.body = Some(Body::new(Framing::UntilClose, to));
    }

    fn replace(&mut self, answer: &Answer) {
        let persistence = self.persistence_of(Framing::Empty);
        self.exchange.answered(answer.status, reason_of(answer.status));
        self.exchange.author = Author::Sitio;
        self.exchange.outcome = error_response::outcome(answer);
        let is_sent = self.exchange.asked == ResponseTo::Whole;
        let body = if is_sent { BodyPresence::Sent } else { BodyPresence::Withheld };
        write::answer(self.out, answer, body, persistence);
        self.exchange.bytes_out += if is_sent { answer.body.len() as u64 } else { 0 };
        self.response.persistence = persistence;
        self.response.body = Some(Body::new(Framing::UntilClose, To::Nothing));
        // The service's response is not awaited.
        self.response.progress = ResponseProgress::Complete;
    }

    fn persistence_of(&self, framing: Framing) -> Persistence {
        let keeps = self.exchange.keep_alive == KeepAlive::Yes
            && framing != Framing::UntilClose
            && self.exchange.body.is_done()
            && !self.worker.is_draining();
        if keeps { write::keep_connection(self.exchange.version) } else { Persistence::Close }
    }

    /// Ends the body, with these lines as trailers if its framing has a place for them.
    fn finish(&mut self, trailers: &[u8]) {
        if let Some(body) = &mut self.response.body {
            body.close_with(trailers, self.out);
            self.response.progress = ResponseProgress::Complete;
        }
    }
}

fn header<'b>(name: &'b [u8], value: &'b [u8]) -> Header<'b> {
    Header { name: std::str::from_utf8(name).unwrap_or_default(), value }
}
