//! The bytes that wait to be sent, and the replies among them.

use crate::error_code::{ConnectionError, ErrorCode};
use crate::frame::write::{self, PingKind};
use crate::frame::{EndStream, StreamId};
use crate::hpack::Field;
use crate::hpack::encoder::Encoder;

/// Sent bytes at the front that are worth moving the rest, if the rest is not longer.
const SENT_BYTES_MAX: usize = 32 * 1024;

/// A buffer that grew beyond this is freed when it is empty.
const KEPT_BYTES_MAX: usize = 128 * 1024;

/// The output of a connection.
#[derive(Debug)]
pub(crate) struct Output {
    /// Frames, complete and in order.
    pub(crate) buffer: Vec<u8>,
    /// Bytes of `buffer` that were sent.
    sent: usize,
    pub(crate) encoder: Encoder,
    replies: Replies,
}

/// Counts replies in the output, without remembering where each one is.
#[derive(Debug)]
struct Replies {
    limit: u32,
    /// Replies that end before the mark.
    marked: u32,
    /// Replies after it.
    later: u32,
    /// Bytes to send until the mark.
    until_mark: usize,
}

impl Output {
    /// An empty output that holds up to `replies_unread` replies.
    pub(crate) fn new(replies_unread: u32) -> Self {
        let replies = Replies { limit: replies_unread, marked: 0, later: 0, until_mark: 0 };
        Self { buffer: Vec::new(), sent: 0, encoder: Encoder::default(), replies }
    }

    /// The bytes to send next.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.buffer[self.sent..]
    }

    /// Removes sent bytes.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.sent += bytes.min(self.buffer.len() - self.sent);
        self.replies.advance(bytes, self.buffer.len() - self.sent);
        if self.sent == self.buffer.len() {
            self.buffer.clear();
            self.sent = 0;
            if self.buffer.capacity() > KEPT_BYTES_MAX {
                self.buffer = Vec::new();
            }
        } else if self.sent >= SENT_BYTES_MAX && self.sent >= self.buffer.len() - self.sent {
            self.buffer.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Frees the buffer if it is empty.
    pub(crate) fn shrink(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }

    /// HEADERS, and CONTINUATION if needed.
    pub(crate) fn headers<'a>(&mut self, stream: StreamId, fields: impl IntoIterator<Item = Field<'a>>, end: EndStream) {
        let start = write::begin_headers(&mut self.buffer);
        self.encoder.begin(&mut self.buffer);
        for field in fields {
            self.encoder.field(field, &mut self.buffer);
        }
        write::finish_headers(&mut self.buffer, start, stream, end);
    }

    /// RST_STREAM because of what the peer did.
    pub(crate) fn reply_reset(&mut self, stream: StreamId, code: ErrorCode) -> Result<(), ConnectionError> {
        write::rst_stream(&mut self.buffer, stream, code);
        self.replies.add()
    }

    /// The reply to PING.
    pub(crate) fn reply_pong(&mut self, opaque: [u8; 8]) -> Result<(), ConnectionError> {
        write::ping(&mut self.buffer, PingKind::Ack, opaque);
        self.replies.add()
    }

    /// The reply to SETTINGS.
    pub(crate) fn reply_settings(&mut self) -> Result<(), ConnectionError> {
        write::settings_ack(&mut self.buffer);
        self.replies.add()
    }
}

impl Replies {
    fn add(&mut self) -> Result<(), ConnectionError> {
        self.later += 1;
        if self.marked + self.later > self.limit {
            return Err(ConnectionError::flood("too many replies wait to be read"));
        }
        Ok(())
    }

    fn advance(&mut self, bytes: usize, pending: usize) {
        self.until_mark = self.until_mark.saturating_sub(bytes);
        if self.until_mark == 0 {
            self.marked = std::mem::take(&mut self.later);
            self.until_mark = pending;
        }
        if pending == 0 {
            self.marked = 0;
        }
    }
}
