//! One connection to the service over HTTP/2: its limits, whether a request fits on it, and how it ends.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use http2::connection::Connection;
use http2::error_code::ConnectionError;
use http2::flow::WINDOW_BYTES_DEFAULT;
use http2::frame::StreamId;
use http2::limits::Limits;
use http2::streams::StreamMap;

use crate::socket::buffered_conn::BufferedConn;
use crate::socket::stream::is_at_end;
use crate::socket::write_buffer::held_bytes;
use crate::upstream::http2::idle_events::IdleEvents;

/// Flow-control window of one stream: the bytes of a body that each direction may buffer. With half of
/// that, 10 MB took 7 s instead of 50 ms from a service whose sockets delay small pieces (Nagle's
/// algorithm). It waited 40 ms for a delayed acknowledgement each time it had filled the window.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 128 * 1024;

/// Flow-control window of one connection. It bounds what a peer that does not read makes a connection hold.
/// The bytes are given back at once while there is memory for them, so that one stream does not stop the others.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 4 * WINDOW_BYTES_DEFAULT;

/// Bytes that a worker holds for peers that do not read, above which it is short of memory: new connections to the service
/// get small windows, and bytes are given back only as they are sent.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The windows of a connection that was opened when memory was short. The connection's cannot be smaller (RFC 9113,
/// section 6.9.2).
const SMALL_STREAM_WINDOW_BYTES: u32 = 16 * 1024;
const SMALL_CONNECTION_WINDOW_BYTES: u32 = WINDOW_BYTES_DEFAULT;

/// Bytes of a head, or of trailers, that are forwarded. gRPC sends error details in trailers, sometimes 100 kB.
pub(crate) const SECTION_BYTES_MAX: usize = 512 * 1024;

/// Bytes of a field block. The names and values of a section at its limit are not compressed in the worst case.
const FIELD_BLOCK_BYTES_MAX: usize = 2 * SECTION_BYTES_MAX;

/// CONTINUATION frames of a field block: enough for the largest one in frames of half the usual size.
const CONTINUATIONS_MAX: u32 = 128;

/// Bytes of output above which requests wait. A client can make them long at the cost of few bytes (RFC 7541, section 7.3).
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Resets of streams after which a connection is not lent to another downstream. Services count them, and end a
/// connection with too many.
pub(super) const RESETS_MAX: u32 = 16;

/// How much a worker holds for peers that do not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// There is room for more.
    Enough,
    /// It is over the budget of a worker.
    Short,
}

impl Memory {
    /// What this worker holds now.
    pub fn of_worker() -> Self {
        if held_bytes() > HELD_BYTES_MAX { Self::Short } else { Self::Enough }
    }
}

/// The limits of a connection to the service.
fn limits(memory: Memory) -> Limits {
    let (stream_window_bytes, connection_window_bytes) = match memory {
        Memory::Enough => (STREAM_WINDOW_BYTES, CONNECTION_WINDOW_BYTES),
        Memory::Short => (SMALL_STREAM_WINDOW_BYTES, SMALL_CONNECTION_WINDOW_BYTES),
    };
    Limits {
        stream_window_bytes,
        connection_window_bytes,
        field_section_bytes: SECTION_BYTES_MAX,
        field_block_bytes: FIELD_BLOCK_BYTES_MAX,
        continuations: CONTINUATIONS_MAX,
        ..Limits::default()
    }
}

/// A connection to the service.
pub struct Http2Upstream {
    /// The state of the protocol.
    pub connection: Connection,
    /// The memory when it was opened.
    memory: Memory,
    /// The socket.
    pub socket: BufferedConn,
    /// The downstream's stream for each stream.
    pub streams: StreamMap<StreamId>,
    /// The downstream's streams whose request bodies wait for room on this connection.
    pub backlog: VecDeque<StreamId>,
    /// The service's SETTINGS have arrived, so it speaks HTTP/2.
    pub is_proven: bool,
    /// When it was opened.
    pub opened: Instant,
    /// How often bytes have been read.
    pub reads: u64,
    /// The number of open streams at which the service has refused one.
    pub refused_at: Option<usize>,
    /// Streams that were reset.
    pub resets: u32,
}

/// Why a connection to the service has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamEnd {
    /// The service has closed it.
    Closed,
    /// The service has broken a rule of HTTP/2.
    Faulty(ConnectionError),
    /// The service has answered in another protocol.
    Foreign,
    /// The service has sent nothing for too long: it may speak another protocol.
    Silent,
    /// The sidecar closes it, because it is of no use any more.
    Spent,
}

impl From<io::Error> for UpstreamEnd {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Whether all output was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing waits.
    Whole,
    /// The socket accepts no more for now.
    Partly,
}

/// Writes the output of a connection to its socket.
pub fn poll_write_output(cx: &mut Context<'_>, connection: &mut Connection, socket: &mut BufferedConn) -> io::Result<Flushed> {
    while !connection.output().is_empty() {
        match socket.poll_write(cx, connection.output())? {
            Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(written) => connection.advance_output(written),
            Poll::Pending => return Ok(Flushed::Partly),
        }
    }
    Ok(Flushed::Whole)
}

impl Http2Upstream {
    /// Begins HTTP/2 on a new connection.
    pub fn new(socket: BufferedConn, now: Instant) -> Self {
        let memory = Memory::of_worker();
        Self {
            connection: Connection::client(limits(memory)),
            memory,
            socket,
            streams: StreamMap::default(),
            backlog: VecDeque::new(),
            is_proven: false,
            opened: now,
            reads: 0,
            refused_at: None,
            resets: 0,
        }
    }

    /// Whether another request can be sent at once: the service allows one more stream, and its window is not used
    /// up by bodies that it does not read.
    pub fn has_room(&self) -> bool {
        let streams = self.connection.streams();
        self.connection.can_open().is_ok()
            && self.refused_at.is_none_or(|refused| streams < refused)
            && !self.connection.is_send_window_empty()
    }

    /// Whether the service has closed the connection while it was unused. This asks the kernel.
    pub fn was_closed(&self) -> bool {
        self.is_proven && self.is_unused() && is_at_end(self.socket.stream())
    }

    /// Whether so much waits to be written that no further request may be added.
    pub fn has_long_output(&self) -> bool {
        self.connection.output().len() > OUTPUT_BYTES_MAX
    }

    /// Whether no exchange is under way.
    fn is_unused(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether the connection is of no use any more: no exchange is under way, and no request can be sent. Its window may
    /// be used up for ever by bodies of ended exchanges, which the service does not read.
    pub fn is_spent(&self) -> bool {
        self.is_unused() && (self.connection.can_open().is_err() || self.connection.is_send_window_empty())
    }

    /// Whether another downstream can use the connection.
    pub(super) fn is_reusable(&self) -> bool {
        self.is_unused()
            && self.is_proven
            && self.memory == Memory::Enough
            && self.connection.can_open().is_ok()
            && self.connection.streams() == 0
            && self.resets < RESETS_MAX
            && self.connection.held_bytes() == 0
            && !self.socket.has_ended
    }

    /// Answers what the service has sent meanwhile, such as PING. An error means that the connection has ended.
    pub(super) fn read_idle(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Result<(), ConnectionEnded> {
        while let Poll::Ready(filled) = self.socket.poll_fill(cx, scratch) {
            let filled = filled?;
            if filled.ended {
                return Err(ConnectionEnded);
            }
            let input = &scratch[..filled.length];
            let read = self.connection.receive(input, &mut IdleEvents)?;
            self.socket.unread_partial(&input[read..]);
        }
        match poll_write_output(cx, &mut self.connection, &mut self.socket)? {
            Flushed::Whole if self.is_reusable() => Ok(()),
            _ => Err(ConnectionEnded),
        }
    }
}

/// An idle connection can no longer be used.
pub(super) struct ConnectionEnded;

impl From<io::Error> for ConnectionEnded {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl From<ConnectionError> for ConnectionEnded {
    fn from(_: ConnectionError) -> Self {
        Self
    }
}
