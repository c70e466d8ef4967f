//! What a connection reports to its owner.

use crate::connection::Connection;
use crate::error_code::{ErrorCode, StreamError};
use crate::frame::{EndStream, StreamId};
use crate::message::field_section::FieldSection;

/// The events of a connection, in the order of the received frames. Each gets the connection, and may answer at once.
pub trait Handler {
    /// A request; or a response, final or interim. An interim one has a status below 200, and another head follows.
    fn head(&mut self, connection: &mut Connection, stream: StreamId, head: &FieldSection, end: EndStream);

    /// A piece of content. The consumer gives its bytes back with `Connection::release`. The last piece may be empty.
    fn data(&mut self, connection: &mut Connection, stream: StreamId, bytes: &[u8], end: EndStream);

    /// Trailers, which end the peer's part of the stream.
    fn trailers(&mut self, connection: &mut Connection, stream: StreamId, trailers: &FieldSection);

    /// A head or trailers over `Limits::field_section_bytes`. The owner answers (431) or resets the stream; what
    /// follows on it is discarded.
    fn too_large(&mut self, connection: &mut Connection, stream: StreamId, part: SectionPart);

    /// The peer broke a rule and the stream was reset. A malformed request was never reported as a head.
    fn failed(&mut self, connection: &mut Connection, stream: StreamId, error: StreamError);

    /// The peer has reset the stream.
    fn reset(&mut self, connection: &mut Connection, stream: StreamId, code: ErrorCode);

    /// The server did not process the request: REFUSED_STREAM, or above the last stream of GOAWAY. It can be sent
    /// again on another connection (RFC 9113, section 8.7).
    fn unprocessed(&mut self, connection: &mut Connection, stream: StreamId);

    /// `send_data` was cut short by a window, which is open again.
    fn writable(&mut self, connection: &mut Connection, writable: Writable);

    /// The peer opens, or accepts, no streams above `last`. The events `unprocessed` come before this one.
    fn go_away(&mut self, _connection: &mut Connection, _last: StreamId, _code: ErrorCode) {}

    /// The peer's settings have changed.
    fn settings(&mut self, _connection: &mut Connection) {}

    /// The reply to `Connection::ping`.
    fn pong(&mut self, _connection: &mut Connection, _opaque: [u8; 8]) {}
}

/// Which part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionPart {
    /// The fields before the content.
    Head,
    /// The fields after it.
    Trailers,
}

/// Which window is open again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// One stream's.
    Stream(StreamId),
    /// The connection's: any stream may have been cut short by it.
    Connection,
}
