//! The content of one direction of an exchange: sends what fits, keeps the rest, and gives bytes back to their sender.

use http2::connection::Connection;
use http2::frame::{EndStream, StreamId};

use crate::http2::kept_request::{KeptBody, KeptBytes};
use crate::http2::read_ahead::{Ownership, ReadAhead};
use crate::socket::write_buffer::WriteBuffer;
use crate::upstream::http2::field_list::FieldList;

/// Bytes that one exchange sends before the next one has its turn.
const TURN_BYTES: usize = 16 * 1024;

/// One side of an exchange.
pub(super) struct Leg<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) stream: StreamId,
    ownership: Ownership,
}

impl<'a> Leg<'a> {
    /// A stream of a connection that only this downstream uses.
    pub(super) fn new(connection: &'a mut Connection, stream: StreamId) -> Self {
        Self { connection, stream, ownership: Ownership::Own }
    }

    /// A stream of a connection that downstreams share.
    pub(super) fn shared(connection: &'a mut Connection, stream: StreamId) -> Self {
        Self { connection, stream, ownership: Ownership::Shared }
    }
}

/// The content of one direction.
#[derive(Debug)]
pub(super) struct Transfer {
    waiting: WriteBuffer,
    /// Bytes at the end of `waiting` that were not given back to their stream.
    owed_to_stream: usize,
    /// Those of them that were not given back to their connection either.
    owed_to_connection: usize,
    end: MessageEnd,
    is_ended: bool,
    copy: Option<KeptBody>,
    /// The exchange is in the list of those that wait for their turn.
    pub(super) is_queued: bool,
}

/// What follows the waiting bytes.
#[derive(Debug)]
enum MessageEnd {
    /// More content may come.
    Open,
    /// The end of the message.
    Content,
    /// Trailers, which end it.
    Trailers(FieldList),
}

/// The result of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved {
    /// Bytes sent.
    pub(super) bytes: usize,
    pub(super) state: TransferState,
}

/// What a transfer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransferState {
    /// More content of the sender.
    Content,
    /// Its next turn.
    Turn,
    /// The window of the receiver's stream. `Handler::writable` reports it.
    StreamWindow,
    /// The window of the receiver's connection, or room in its output.
    Connection,
    /// Nothing: the end was sent.
    Ended,
    /// Nothing: the receiver's stream is closed.
    Closed,
}

impl Transfer {
    /// A message that has ended with its head, or has content.
    pub(super) fn new(end: EndStream) -> Self {
        Self {
            waiting: WriteBuffer::default(),
            owed_to_stream: 0,
            owed_to_connection: 0,
            end: if end == EndStream::Yes { MessageEnd::Content } else { MessageEnd::Open },
            is_ended: false,
            copy: None,
            is_queued: false,
        }
    }

    /// Keeps a copy of what is sent, until `forget_copy`.
    pub(super) fn with_copy(mut self, kept: &KeptBytes) -> Self {
        self.copy = Some(KeptBody::new(kept));
        self
    }

    /// Whether the end was sent.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Whether the sender has ended the message.
    pub(super) fn is_complete(&self) -> bool {
        !matches!(self.end, MessageEnd::Open)
    }

    /// Whether bytes or trailers wait to be sent.
    pub(super) fn has_waiting(&self) -> bool {
        !self.is_ended && (!self.waiting.is_empty() || self.is_complete())
    }

    /// Whether bytes wait to be sent.
    pub(super) fn has_waiting_bytes(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// END_STREAM for the head: the message has neither content nor trailers.
    pub(super) fn end_with_head(&mut self) -> EndStream {
        if self.waiting.is_empty() && matches!(self.end, MessageEnd::Content) {
            self.is_ended = true;
            return EndStream::Yes;
        }
        EndStream::No
    }

    /// Sends received content. What does not fit waits.
    pub(super) fn pass(&mut self, mut from: Leg<'_>, to: Leg<'_>, bytes: &[u8], end: EndStream, ahead: &mut ReadAhead) -> Moved {
        if self.has_waiting() {
            self.keep(&mut from, bytes, end, ahead);
            return Moved { bytes: 0, state: TransferState::Turn };
        }
        let Ok(sent) = to.connection.send_data(to.stream, bytes, end) else {
            from.connection.release(from.stream, bytes.len());
            return Moved { bytes: 0, state: TransferState::Closed };
        };
        self.copy_sent(&bytes[..sent]);
        from.connection.release(from.stream, sent);
        if sent < bytes.len() {
            self.keep(&mut from, &bytes[sent..], end, ahead);
            return Moved { bytes: sent, state: blocked(to.connection) };
        }
        if end == EndStream::Yes {
            (self.end, self.is_ended) = (MessageEnd::Content, true);
            return Moved { bytes: sent, state: TransferState::Ended };
        }
        Moved { bytes: sent, state: TransferState::Content }
    }

    /// Keeps received content.
    pub(super) fn keep(&mut self, from: &mut Leg<'_>, bytes: &[u8], end: EndStream, ahead: &mut ReadAhead) {
        self.waiting.keep(bytes);
        self.owed_to_stream += bytes.len();
        if ahead.takes(bytes.len(), from.ownership) {
            from.connection.release_connection(bytes.len());
        } else {
            self.owed_to_connection += bytes.len();
        }
        if end == EndStream::Yes {
            self.end = MessageEnd::Content;
        }
    }

    /// Adds content that has no flow control: of the sidecar itself, or of a service that speaks HTTP/1.
    pub(super) fn keep_own(&mut self, bytes: &[u8], end: EndStream) {
        self.waiting.keep(bytes);
        if end == EndStream::Yes {
            self.end = MessageEnd::Content;
        }
    }

    /// The next bytes for a service that speaks HTTP/1, at most one turn.
    pub(super) fn turn(&self) -> &[u8] {
        let rest = self.waiting.rest();
        &rest[..rest.len().min(TURN_BYTES)]
    }

    /// The turn was sent: gives its bytes back to their sender.
    pub(super) fn finish_turn(&mut self, from: Leg<'_>, ahead: &mut ReadAhead) {
        let sent = self.turn().len();
        self.take_sent(sent, Some(from), ahead);
    }

    /// The trailers that end the message, once all content was sent. `None` if more content may come or waits.
    pub(super) fn take_end(&mut self) -> Option<FieldList> {
        if !self.has_waiting() || !self.waiting.is_empty() {
            return None;
        }
        self.is_ended = true;
        match &mut self.end {
            MessageEnd::Trailers(trailers) => Some(trailers.clone()),
            MessageEnd::Content | MessageEnd::Open => Some(FieldList::default()),
        }
    }

    /// The end was sent with the head.
    pub(super) fn end_at_once(&mut self) {
        (self.end, self.is_ended) = (MessageEnd::Content, true);
    }

    /// Ends the message with trailers.
    pub(super) fn keep_trailers(&mut self, trailers: FieldList) {
        self.end = MessageEnd::Trailers(trailers);
    }

    /// Sends what waits, at most one turn.
    pub(super) fn resume(&mut self, from: Option<Leg<'_>>, to: Leg<'_>, ahead: &mut ReadAhead) -> Moved {
        let rest = self.waiting.rest();
        let turn = &rest[..rest.len().min(TURN_BYTES)];
        let is_last = turn.len() == rest.len() && matches!(self.end, MessageEnd::Content);
        let mut sent = 0;
        if is_last || !turn.is_empty() {
            let end = if is_last { EndStream::Yes } else { EndStream::No };
            match to.connection.send_data(to.stream, turn, end) {
                Ok(bytes) => sent = bytes,
                Err(_) => return Moved { bytes: 0, state: TransferState::Closed },
            }
        }
        let is_cut = sent < turn.len();
        self.take_sent(sent, from, ahead);
        let state = match &self.end {
            _ if is_cut => blocked(to.connection),
            _ if !self.waiting.is_empty() => TransferState::Turn,
            MessageEnd::Open => TransferState::Content,
            MessageEnd::Content => TransferState::Ended,
            MessageEnd::Trailers(trailers) => match to.connection.send_trailers(to.stream, trailers.iter()) {
                Ok(()) => TransferState::Ended,
                Err(_) => TransferState::Closed,
            },
        };
        self.is_ended |= state == TransferState::Ended;
        Moved { bytes: sent, state }
    }

    /// Removes sent bytes, and gives them back to their sender. The bytes that are still owed are the last ones.
    fn take_sent(&mut self, sent: usize, from: Option<Leg<'_>>, ahead: &mut ReadAhead) {
        let Self { copy, waiting, .. } = self;
        copy.take_if(|copy| !copy.add(&waiting.rest()[..sent]));
        self.waiting.advance(sent);
        let left = self.waiting.rest().len();
        let to_stream = self.owed_to_stream.saturating_sub(left);
        let to_connection = self.owed_to_connection.saturating_sub(left);
        self.owed_to_stream -= to_stream;
        self.owed_to_connection -= to_connection;
        ahead.give_back(to_stream - to_connection.min(to_stream));
        if let Some(from) = from {
            from.connection.release_stream(from.stream, to_stream);
            from.connection.release_connection(to_connection);
        }
    }

    /// Forgets the sender, whose stream is over or no longer wanted. Returns the bytes to give back to its connection.
    pub(super) fn detach_sender(&mut self, ahead: &mut ReadAhead) -> usize {
        ahead.give_back(self.owed_to_stream - self.owed_to_connection);
        self.owed_to_stream = 0;
        std::mem::take(&mut self.owed_to_connection)
    }

    /// Drops what waits, and gives it back to the sender's connection.
    pub(super) fn discard(&mut self, from: &mut Connection, ahead: &mut ReadAhead) {
        from.release_connection(self.detach_sender(ahead));
        self.waiting = WriteBuffer::default();
        self.copy = None;
    }

    /// The message will not be sent again.
    pub(super) fn forget_copy(&mut self) {
        self.copy = None;
    }

    /// Whether all of the message that was sent is still here.
    pub(super) fn has_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// Prepares to send the message again from its beginning. Returns whether all of it is still here.
    pub(super) fn rewind(&mut self) -> bool {
        let Some(copy) = self.copy.as_mut().map(KeptBody::take) else { return false };
        if !copy.is_empty() {
            let after = std::mem::take(&mut self.waiting);
            self.waiting.keep(&copy);
            self.waiting.keep(after.rest());
        }
        (self.is_ended, self.is_queued) = (false, false);
        true
    }

    fn copy_sent(&mut self, sent: &[u8]) {
        self.copy.take_if(|copy| !copy.add(sent));
    }
}

/// Why not all bytes were sent.
fn blocked(connection: &Connection) -> TransferState {
    if connection.connection_send_room() == 0 { TransferState::Connection } else { TransferState::StreamWindow }
}
