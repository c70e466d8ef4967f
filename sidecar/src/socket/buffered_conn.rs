//! A socket with its carried-over input and its unsent output.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::stream::Stream;
use crate::socket::write_buffer;
use crate::socket::write_buffer::{KEPT_BYTES_MAX, WriteBuffer};

/// The size of a worker's read buffer. All its connections share the buffer, so an idle connection has none.
pub const SCRATCH_BYTES: usize = 256 * 1024;

/// Bytes per read before it is known how fast the other end accepts data. It limits the memory of one
/// request whose other end does not read.
const READ_BYTES_FIRST: usize = 64 * 1024;

/// Bytes per read after the other end was too slow for the bytes read before.
const READ_BYTES_SLOW: usize = 16 * 1024;

/// Unsent bytes of a worker's slow connections, above which every connection reads as little as a slow one.
/// Large reads are for the few fast connections, and must not add up when many peers stop reading.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of following requests that are read ahead during an exchange.
const AHEAD_BYTES_MAX: usize = 16 * 1024;

/// A connection with the input that was read but not used, and the output that was not sent yet.
pub struct BufferedConn {
    stream: Stream,
    carry: Vec<u8>,
    carry_is_new: bool,
    unsent: WriteBuffer,
    read_bytes: usize,
    /// The peer has closed its sending half.
    pub has_ended: bool,
}

/// The content of the scratch buffer after a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Bytes in the buffer, including those carried over.
    pub length: usize,
    /// Whether the peer has closed its sending half, so nothing more will arrive.
    pub ended: bool,
}

impl BufferedConn {
    /// Wraps a connected socket.
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            carry: Vec::new(),
            carry_is_new: false,
            unsent: WriteBuffer::default(),
            read_bytes: READ_BYTES_FIRST,
            has_ended: false,
        }
    }

    /// The socket.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Puts the carried-over bytes and newly read bytes at the start of `scratch`.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<Filled>> {
        let carried = self.carry.len();
        if std::mem::take(&mut self.carry_is_new) || self.has_ended {
            scratch[..carried].copy_from_slice(&self.carry);
            release(&mut self.carry);
            return Poll::Ready(Ok(Filled { length: carried, ended: self.has_ended }));
        }
        let read_bytes = if write_buffer::held_bytes() > HELD_BYTES_MAX { READ_BYTES_SLOW } else { self.read_bytes };
        let end = scratch.len().min(carried + read_bytes);
        let mut room = ReadBuf::new(&mut scratch[carried..end]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        scratch[..carried].copy_from_slice(&self.carry);
        release(&mut self.carry);
        self.has_ended = read == 0;
        Poll::Ready(Ok(Filled { length: carried + read, ended: self.has_ended }))
    }

    /// Keeps bytes that are incomplete. They are returned again only together with new bytes.
    pub fn unread_partial(&mut self, bytes: &[u8]) {
        self.carry.extend_from_slice(bytes);
    }

    /// Keeps bytes that belong to the next message.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.carry.extend_from_slice(bytes);
        self.carry_is_new = !self.carry.is_empty();
    }

    /// Whether bytes are carried over.
    pub fn has_unread(&self) -> bool {
        !self.carry.is_empty()
    }

    /// Reads ahead, or detects a close, while the peer has nothing to send for this exchange. Ready when
    /// something has changed.
    pub fn poll_ahead(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<()>> {
        if self.has_ended || self.carry.len() >= AHEAD_BYTES_MAX {
            return Poll::Pending;
        }
        let mut room = ReadBuf::new(&mut scratch[..AHEAD_BYTES_MAX]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        self.has_ended = room.filled().is_empty();
        self.unread(room.filled());
        Poll::Ready(Ok(()))
    }

    /// Writes `first` and then `second`. Bytes that the socket does not accept are buffered for [`BufferedConn::poll_flush`].
    pub fn send(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> io::Result<()> {
        let mut taken = 0;
        let total = first.len() + second.len();
        while self.unsent.is_empty() && taken < total {
            let polled = if taken >= first.len() {
                Pin::new(&mut self.stream).poll_write(cx, &second[taken - first.len()..])
            } else if second.is_empty() {
                Pin::new(&mut self.stream).poll_write(cx, &first[taken..])
            } else {
                let parts = [io::IoSlice::new(&first[taken..]), io::IoSlice::new(second)];
                Pin::new(&mut self.stream).poll_write_vectored(cx, &parts)
            };
            match polled {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => taken += written,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        self.unsent.keep(&first[taken.min(first.len())..]);
        self.unsent.keep(&second[taken.saturating_sub(first.len()).min(second.len())..]);
        Ok(())
    }

    /// Writes bytes of a caller that has a buffer of its own, and returns how many. The write buffer is not used.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<Poll<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => written.map(Poll::Ready),
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// Writes the buffered bytes. Ready when there are none left.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, self.unsent.rest()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.unsent.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the socket has accepted all written bytes.
    pub fn is_flushed(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Bytes in the write buffer.
    pub fn unsent_bytes(&self) -> usize {
        self.unsent.rest().len()
    }

    /// Adapts the read size to `other`, which receives these bytes: smaller if it did not keep up, larger if it did.
    pub fn adapt_read_size(&mut self, other: &Self, filled: Filled) {
        if !other.is_flushed() {
            self.read_bytes = READ_BYTES_SLOW;
        } else if filled.length >= self.read_bytes {
            self.read_bytes = (self.read_bytes * 2).min(SCRATCH_BYTES);
        }
    }

    /// Shuts down the sending half.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Lets the peer pause for as long as it likes while there is data for it, as long as its machine is there.
    pub fn allow_pauses(&self) {
        self.stream.allow_pauses();
    }

    /// Makes closing the connection send a reset, so that the peer does not mistake partial data for the whole.
    pub fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}

/// Empties a buffer, and frees its memory if it has grown.
fn release(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES_MAX {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}
