//! What the service may send on a connection without streams: nothing that concerns an exchange.

use http2::connection::Connection;
use http2::connection::handler::{Handler, SectionPart, Writable};
use http2::error_code::{ErrorCode, StreamError};
use http2::frame::{EndStream, StreamId};
use http2::message::field_section::FieldSection;

/// The events of an idle connection. The connection itself answers PING and SETTINGS.
pub(super) struct IdleEvents;

impl Handler for IdleEvents {
    fn head(&mut self, connection: &mut Connection, stream: StreamId, _: &FieldSection, _: EndStream) {
        connection.reset(stream, ErrorCode::CANCEL);
    }

    fn data(&mut self, connection: &mut Connection, stream: StreamId, bytes: &[u8], _: EndStream) {
        connection.release(stream, bytes.len());
    }

    fn trailers(&mut self, _: &mut Connection, _: StreamId, _: &FieldSection) {}

    fn too_large(&mut self, connection: &mut Connection, stream: StreamId, _: SectionPart) {
        connection.reset(stream, ErrorCode::CANCEL);
    }

    fn failed(&mut self, _: &mut Connection, _: StreamId, _: StreamError) {}

    fn reset(&mut self, _: &mut Connection, _: StreamId, _: ErrorCode) {}

    fn unprocessed(&mut self, _: &mut Connection, _: StreamId) {}

    fn writable(&mut self, _: &mut Connection, _: Writable) {}
}
