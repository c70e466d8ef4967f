//! One end of a tunnel: a socket, and the few bytes that wait on our side of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::Stream;
use crate::tunnel::unsent::{self, Unsent};

/// Bytes read at once by a worker. All its connections share this room, so an idle one holds none.
pub const SCRATCH_BYTES: usize = 256 * 1024;

/// Bytes read at once from a peer that has yet to show how fast the other end drains.
/// It bounds what one request makes us hold when the other end does not read.
const READ_BYTES_FIRST: usize = 64 * 1024;

/// Bytes read at once once the other end was too slow for what was read before.
const READ_BYTES_SLOW: usize = 16 * 1024;

/// What a worker may hold for all its peers that do not keep up, before it reads as little at once for each as for a slow
/// one. Large reads are for the few that are fast, and must not add up when very many peers stop reading.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes that a following request may send ahead while one is under way.
const AHEAD_BYTES_MAX: usize = 16 * 1024;

/// Room that a buffer may keep once it is empty.
const KEPT_BYTES_MAX: usize = 4 * 1024;

/// A connection with what was read and not used, and what was written and not taken.
pub struct Peer {
    stream: Stream,
    carry: Vec<u8>,
    carry_is_new: bool,
    unsent: Unsent,
    read_bytes: usize,
    /// The other side has closed its half.
    pub has_ended: bool,
}

/// What stands at the beginning of the scratch after a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Bytes there, those carried over included.
    pub length: usize,
    /// Whether the peer has closed its half, and nothing more will come.
    pub ended: bool,
}

impl Peer {
    /// An end of a tunnel.
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            carry: Vec::new(),
            carry_is_new: false,
            unsent: Unsent::default(),
            read_bytes: READ_BYTES_FIRST,
            has_ended: false,
        }
    }

    /// The socket.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Puts what was carried over and what has arrived at the beginning of `scratch`.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<Filled>> {
        let carried = self.carry.len();
        if std::mem::take(&mut self.carry_is_new) || self.has_ended {
            scratch[..carried].copy_from_slice(&self.carry);
            release(&mut self.carry);
            return Poll::Ready(Ok(Filled { length: carried, ended: self.has_ended }));
        }
        let read_bytes = if unsent::held_bytes() > HELD_BYTES_MAX { READ_BYTES_SLOW } else { self.read_bytes };
        let end = scratch.len().min(carried + read_bytes);
        let mut room = ReadBuf::new(&mut scratch[carried..end]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        scratch[..carried].copy_from_slice(&self.carry);
        release(&mut self.carry);
        self.has_ended = read == 0;
        Poll::Ready(Ok(Filled { length: carried + read, ended: self.has_ended }))
    }

    /// Keeps bytes that could not be used yet; they are only worth another look when more has arrived.
    pub fn keep_partial(&mut self, bytes: &[u8]) {
        self.carry.extend_from_slice(bytes);
    }

    /// Keeps bytes that belong to what comes next.
    pub fn keep_next(&mut self, bytes: &[u8]) {
        self.carry.extend_from_slice(bytes);
        self.carry_is_new = !self.carry.is_empty();
    }

    /// Whether bytes are carried over.
    pub fn has_carry(&self) -> bool {
        !self.carry.is_empty()
    }

    /// Waits for the peer to send ahead or to close while it is another's turn. Ready when something has changed.
    pub fn poll_ahead(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<()>> {
        if self.has_ended || self.carry.len() >= AHEAD_BYTES_MAX {
            return Poll::Pending;
        }
        let mut room = ReadBuf::new(&mut scratch[..AHEAD_BYTES_MAX]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        self.has_ended = room.filled().is_empty();
        self.keep_next(room.filled());
        Poll::Ready(Ok(()))
    }

    /// Writes `first` and then `second`; what is not taken at once waits, and is flushed later.
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

    /// Writes what waits. Ready when nothing does.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, self.unsent.rest()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.unsent.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether everything written was taken.
    pub fn is_flushed(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Bytes written by us that wait to be taken.
    pub fn unsent_bytes(&self) -> usize {
        self.unsent.rest().len()
    }

    /// Reads less at once if `other`, who is sent what comes from here, did not keep up, and more if it did.
    pub fn pace_by(&mut self, other: &Self, filled: Filled) {
        if !other.is_flushed() {
            self.read_bytes = READ_BYTES_SLOW;
        } else if filled.length >= self.read_bytes {
            self.read_bytes = (self.read_bytes * 2).min(SCRATCH_BYTES);
        }
    }

    /// Says that nothing more will be written.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Makes closing the connection a reset, so that the other side cannot take what it has for the whole.
    pub fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}

/// What an HTTP library reads: first what was carried over, then what arrives.
impl AsyncRead for Peer {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.carry.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, room);
        }
        let taken = this.carry.len().min(room.remaining());
        room.put_slice(&this.carry[..taken]);
        this.carry.drain(..taken);
        Poll::Ready(Ok(()))
    }
}

/// What an HTTP library writes. Nothing of ours may wait before it.
impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        debug_assert!(self.is_flushed());
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Empties a buffer, and gives its room back if it has grown.
fn release(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES_MAX {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}
