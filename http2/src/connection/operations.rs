//! What the owner of a connection does: it passes received bytes on, and sends (RFC 9113, sections 5.2 and 8.1).

use crate::connection::Connection;
use crate::connection::handler::Handler;
use crate::connection::inbound::Inbound;
use crate::error_code::{ConnectionError, ErrorCode};
use crate::frame::write::{self, PingKind};
use crate::frame::{EndStream, PAYLOAD_BYTES_MIN, StreamId};
use crate::hpack::Field;
use crate::limits::ExtendedConnect;
use crate::message::Method;
use crate::settings::{ENABLE_CONNECT_PROTOCOL, Role};
use crate::streams::{Receiving, Sending, Stream};

/// The last stream identifier (RFC 9113, section 5.1.1).
const STREAM_ID_MAX: u32 = (1 << 31) - 1;

/// Why no stream can be opened on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// The peer allows no more at once.
    TooManyStreams,
    /// GOAWAY was sent or received, or the connection has failed.
    GoingAway,
    /// The connection has used all stream identifiers.
    IdentifiersUsedUp,
    /// Only clients open streams.
    NotAClient,
}

impl OpenError {
    /// Whether a stream can be opened later, when others have ended.
    pub fn is_temporary(self) -> bool {
        self == Self::TooManyStreams
    }
}

/// The stream is closed: it was reset, or its message has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamClosed;

impl Connection {
    /// Reads `input`, reports what it contains, and returns the number of bytes read. The owner presents the rest
    /// again with more bytes after it. Its buffer must hold a whole frame other than DATA: `Limits::frame_bytes`
    /// and `HEADER_BYTES`. While the peer reads nothing of a long output, the owner reads nothing either.
    pub fn receive(&mut self, input: &[u8], handler: &mut impl Handler) -> Result<usize, ConnectionError> {
        match self.error {
            Some(error) => Err(error),
            None => Inbound { connection: self, handler }.receive(input),
        }
    }

    /// Whether `open` would succeed, and if not, why.
    pub fn can_open(&self) -> Result<(), OpenError> {
        if self.role == Role::Server {
            return Err(OpenError::NotAClient);
        }
        if self.received_go_away.is_some() || self.sent_go_away.is_some() || self.error.is_some() {
            return Err(OpenError::GoingAway);
        }
        if self.next_stream().0 > STREAM_ID_MAX {
            return Err(OpenError::IdentifiersUsedUp);
        }
        if self.streams.len() >= self.peer.streams as usize {
            return Err(OpenError::TooManyStreams);
        }
        Ok(())
    }

    /// Sends a request. Pseudo-header fields come first. The fields are sent as they are: the caller has judged them.
    pub fn open<'a>(&mut self, fields: impl IntoIterator<Item = Field<'a>>, end: EndStream) -> Result<StreamId, OpenError> {
        self.can_open()?;
        let id = self.next_stream();
        let mut asked = Method::Other;
        let fields = fields.into_iter().inspect(|field| {
            if field.name == b":method" {
                asked = Method::new(field.value);
            }
        });
        self.output.headers(id, fields, end);
        let sending = if end == EndStream::Yes { Sending::Ended } else { Sending::Content };
        self.insert(id, Stream { receiving: Receiving::Head, sending, asked, ..self.new_stream() });
        self.conduct.useful();
        Ok(id)
    }

    /// Sends the head of the final response.
    pub fn respond<'a>(
        &mut self,
        stream: StreamId,
        fields: impl IntoIterator<Item = Field<'a>>,
        end: EndStream,
    ) -> Result<(), StreamClosed> {
        self.sending(stream, Sending::Head)?;
        self.output.headers(stream, fields, end);
        self.conduct.useful();
        self.streams.sent(stream, end);
        Ok(())
    }

    /// Sends the head of an interim response (1xx).
    pub fn inform<'a>(&mut self, stream: StreamId, fields: impl IntoIterator<Item = Field<'a>>) -> Result<(), StreamClosed> {
        self.sending(stream, Sending::Head)?;
        self.output.headers(stream, fields, EndStream::No);
        Ok(())
    }

    /// Sends content, as much as the windows and the output's limit allow, and returns how many bytes. END_STREAM
    /// goes with the last one. `Handler::writable` reports when a window is open again; for the output, the owner
    /// sends it.
    pub fn send_data(&mut self, stream: StreamId, bytes: &[u8], end: EndStream) -> Result<usize, StreamClosed> {
        let room = self.connection_send_room();
        let open = self.sending(stream, Sending::Content)?;
        let allowed = open.send_window.available();
        let length = bytes.len().min(room).min(allowed);
        open.is_blocked = allowed < bytes.len();
        open.send_window.consume(length);
        self.is_blocked |= self.send_window.available() < bytes.len();
        self.send_window.consume(length);
        let mut rest = &bytes[..length];
        let last = if length == bytes.len() { end } else { EndStream::No };
        while rest.len() > PAYLOAD_BYTES_MIN {
            let (payload, after) = rest.split_at(PAYLOAD_BYTES_MIN);
            write::data(&mut self.output.buffer, stream, payload, EndStream::No);
            self.conduct.useful();
            rest = after;
        }
        if !rest.is_empty() || last == EndStream::Yes {
            write::data(&mut self.output.buffer, stream, rest, last);
            self.conduct.useful();
        }
        if last == EndStream::Yes {
            self.streams.sent(stream, EndStream::Yes);
        }
        Ok(length)
    }

    /// Bytes of content that `send_data` would accept now.
    pub fn send_room(&mut self, stream: StreamId) -> usize {
        let room = self.connection_send_room();
        self.streams.get(stream).map_or(0, |open| open.send_window.available().min(room))
    }

    /// Bytes of content that could be sent now on a stream whose own window is open.
    pub fn connection_send_room(&self) -> usize {
        self.output_room().min(self.send_window.available())
    }

    /// Whether the connection's window is used up: no stream can send content until the peer opens it.
    pub fn is_send_window_empty(&self) -> bool {
        self.send_window.available() == 0
    }

    /// Sends trailers, which end our part of the stream.
    pub fn send_trailers<'a>(
        &mut self,
        stream: StreamId,
        fields: impl IntoIterator<Item = Field<'a>>,
    ) -> Result<(), StreamClosed> {
        self.sending(stream, Sending::Content)?;
        self.output.headers(stream, fields, EndStream::Yes);
        self.streams.sent(stream, EndStream::Yes);
        Ok(())
    }

    /// Resets a stream, unless it is closed.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        if self.streams.get(stream).is_some() {
            write::rst_stream(&mut self.output.buffer, stream, code);
            self.streams.reset(stream, self.limits.resets_remembered);
        }
    }

    /// Gives received bytes back, so that the peer may send more. The owner does so exactly once for each byte of
    /// `Handler::data`, also after the end of the stream.
    pub fn release(&mut self, stream: StreamId, bytes: usize) {
        self.release_stream(stream, bytes);
        self.release_connection(bytes);
    }

    /// Gives received bytes back to their stream only. An owner that holds many bodies for slow consumers gives them
    /// back to the connection at once, within its budget, so that one consumer does not stop the others.
    pub fn release_stream(&mut self, stream: StreamId, bytes: usize) {
        let Some(open) = self.streams.get(stream) else { return };
        let increment = open.receive_window.release(bytes);
        self.update_window(stream, increment);
    }

    /// Gives received bytes back to the connection only.
    pub fn release_connection(&mut self, bytes: usize) {
        if let Some(increment) = self.receive_window.release(bytes) {
            write::window_update(&mut self.output.buffer, StreamId(0), increment);
        }
    }

    /// Widens the window of one stream, for a body that is consumed quickly over a long distance.
    pub fn widen(&mut self, stream: StreamId, bytes: u32) {
        let Some(open) = self.streams.get(stream) else { return };
        let increment = open.receive_window.widen(bytes);
        self.update_window(stream, increment);
    }

    fn update_window(&mut self, stream: StreamId, increment: Option<u32>) {
        let is_receiving = self.streams.get(stream).is_some_and(|open| open.receiving != Receiving::Ended);
        if let Some(increment) = increment.filter(|_| is_receiving) {
            write::window_update(&mut self.output.buffer, stream, increment);
        }
    }

    /// Announces extended CONNECT, unless it was announced. A server may do so at any time (RFC 8441, section 3).
    pub fn announce_extended_connect(&mut self) {
        if self.limits.extended_connect == ExtendedConnect::Refused {
            self.limits.extended_connect = ExtendedConnect::Announced;
            write::settings(&mut self.output.buffer, &[(ENABLE_CONNECT_PROTOCOL, 1)]);
        }
    }

    /// Asks the peer for a reply, which `Handler::pong` reports.
    pub fn ping(&mut self, opaque: [u8; 8]) {
        write::ping(&mut self.output.buffer, PingKind::Ping, opaque);
    }

    /// Begins an orderly end (section 6.8): the peer learns to open no more streams, and those under way in its
    /// direction are still accepted. After a round trip the owner calls `go_away`.
    pub fn drain(&mut self) {
        if self.sent_go_away.is_none() {
            write::go_away(&mut self.output.buffer, StreamId(STREAM_ID_MAX), ErrorCode::NO_ERROR, "");
            self.sent_go_away = Some(StreamId(STREAM_ID_MAX));
        }
    }

    /// Ends the connection for new streams; those above the last one so far are ignored from now on.
    pub fn go_away(&mut self, code: ErrorCode) {
        let last = match (self.role, self.sent_go_away) {
            // Streams above an earlier GOAWAY were ignored, so a later one must not include them.
            (Role::Server, Some(before)) => before.min(self.streams.last()),
            (Role::Server, None) => self.streams.last(),
            (Role::Client, _) => StreamId(0),
        };
        write::go_away(&mut self.output.buffer, last, code, self.error.map_or("", |error| error.reason));
        self.sent_go_away = Some(last);
    }

    fn next_stream(&self) -> StreamId {
        StreamId(if self.streams.last().0 == 0 { 1 } else { self.streams.last().0 + 2 })
    }

    fn insert(&mut self, id: StreamId, stream: Stream) {
        self.streams.advance(id);
        self.streams.insert(id, stream);
    }

    /// The stream, if `next` is what we send next on it.
    fn sending(&mut self, stream: StreamId, next: Sending) -> Result<&mut Stream, StreamClosed> {
        self.streams.get(stream).filter(|stream| stream.sending == next).ok_or(StreamClosed)
    }
}
