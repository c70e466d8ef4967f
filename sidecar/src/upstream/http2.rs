//! Connections to the service over HTTP/2: opens them, keeps idle ones, and remembers what the service supports.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http2::connection::Connection;
use http2::error_code::ConnectionError;
use http2::flow::WINDOW_BYTES_DEFAULT;
use http2::frame::StreamId;
use http2::limits::{ExtendedConnect, Limits};
use http2::streams::StreamMap;
use tokio_util::task::TaskTracker;

use crate::socket::buffered_conn::BufferedConn;
use crate::socket::stream::is_at_end;
use crate::upstream::IDLE_MAX;
use crate::upstream::http2::shared::SharedUpstream;

pub(crate) mod field_list;
mod idle_events;
pub mod shared;

/// Flow-control window of one stream: the bytes of a body that each direction may buffer. With half of
/// that, 10 MB took 7 s instead of 50 ms from a service whose sockets delay small pieces (Nagle's
/// algorithm). It waited 40 ms for a delayed acknowledgement each time it had filled the window.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 128 * 1024;

/// Flow-control window of one connection. It bounds what a peer that does not read makes a connection hold.
/// The bytes are given back at once while there is memory for them, so that one stream does not stop the others.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 4 * WINDOW_BYTES_DEFAULT;

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
const RESETS_MAX: u32 = 16;

/// Idle connections kept by a worker. More are needed only in a burst.
const IDLE_CONNECTIONS_MAX: usize = 1024;

/// The limits of a connection to the service.
fn limits() -> Limits {
    Limits {
        stream_window_bytes: STREAM_WINDOW_BYTES,
        connection_window_bytes: CONNECTION_WINDOW_BYTES,
        field_section_bytes: SECTION_BYTES_MAX,
        field_block_bytes: FIELD_BLOCK_BYTES_MAX,
        continuations: CONTINUATIONS_MAX,
        ..Limits::default()
    }
}

/// How long a service that has not answered in HTTP/2 is taken to speak HTTP/1.1.
const ASSUMED_FOR: Duration = Duration::from_secs(10);

/// What the service speaks, as far as its answers have shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServiceProtocol {
    /// It has not been asked in HTTP/2 yet.
    #[default]
    Unknown,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// HTTP/2 only: it has answered a request in HTTP/1 with frames.
    OnlyHttp2,
    /// It answers the preface of HTTP/2 in HTTP/1, or closes the connection.
    Http1,
}

/// The idle connections of one worker. A connection in use belongs to one downstream alone, so that a downstream that
/// does not read, or that cancels its requests, affects no other.
#[derive(Default)]
pub struct Http2Pool {
    idle: RefCell<Vec<Idle>>,
    protocol: Cell<ServiceProtocol>,
    /// When `protocol` becomes unknown again, if it is only assumed.
    assumed_until: Cell<Option<Instant>>,
    /// When the service was last found to speak something else than assumed.
    asked_again: Cell<Option<Instant>>,
    extended_connect: Cell<ExtendedConnect>,
    downstreams: Cell<usize>,
    shared: RefCell<Option<Rc<SharedUpstream>>>,
    is_connecting: Cell<bool>,
    shared_ids: Cell<u32>,
    tasks: TaskTracker,
}

/// Downstream connections of a worker from which on they share a connection to the service. Fewer gain nothing.
const SHARED_FROM: usize = 8;

struct Idle {
    upstream: Http2Upstream,
    since: Instant,
}

/// A connection to the service.
pub struct Http2Upstream {
    /// The state of the protocol.
    pub connection: Connection,
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
        Self {
            connection: Connection::client(limits()),
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
    fn is_reusable(&self) -> bool {
        self.is_unused()
            && self.is_proven
            && self.connection.can_open().is_ok()
            && self.connection.streams() == 0
            && self.resets < RESETS_MAX
            && self.connection.held_bytes() == 0
            && !self.socket.has_ended
    }

    /// Answers what the service has sent meanwhile, such as PING. An error means that the connection has ended.
    fn read_idle(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Result<(), ConnectionEnded> {
        while let Poll::Ready(filled) = self.socket.poll_fill(cx, scratch) {
            let filled = filled?;
            if filled.ended {
                return Err(ConnectionEnded);
            }
            let input = &scratch[..filled.length];
            let read = self.connection.receive(input, &mut idle_events::IdleEvents)?;
            self.socket.unread_partial(&input[read..]);
        }
        match poll_write_output(cx, &mut self.connection, &mut self.socket)? {
            Flushed::Whole if self.is_reusable() => Ok(()),
            _ => Err(ConnectionEnded),
        }
    }
}

/// An idle connection can no longer be used.
struct ConnectionEnded;

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

impl Http2Pool {
    /// Takes the idle connection that was used last and is still open.
    pub fn acquire(&self, scratch: &mut [u8]) -> Option<Http2Upstream> {
        loop {
            let mut upstream = self.idle.borrow_mut().pop()?.upstream;
            if upstream.read_idle(&mut Context::from_waker(Waker::noop()), scratch).is_ok() {
                return Some(upstream);
            }
        }
    }

    /// Returns a connection to the pool, or closes it if it cannot be used again.
    pub fn release(&self, mut upstream: Http2Upstream, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        if upstream.is_reusable() && upstream.connection.output().is_empty() && idle.len() < IDLE_CONNECTIONS_MAX {
            upstream.connection.shrink();
            idle.push(Idle { upstream, since: now });
        }
    }

    /// Closes connections that were idle for too long, and reads what the service has sent on the others.
    pub fn evict_idle(&self, now: Instant, scratch: &mut [u8]) {
        let mut cx = Context::from_waker(Waker::noop());
        self.idle
            .borrow_mut()
            .retain_mut(|idle| now.duration_since(idle.since) < IDLE_MAX && idle.upstream.read_idle(&mut cx, scratch).is_ok());
    }

    /// The connection that downstreams share, once there are enough of them and it is open.
    pub fn shared(&self) -> Option<Rc<SharedUpstream>> {
        self.shared.borrow().clone().filter(|shared| !shared.is_retired())
    }

    /// Whether a shared connection should be opened now. The caller opens it, and calls `set_shared`.
    pub fn should_share(&self) -> bool {
        let is_http2 = matches!(self.protocol.get(), ServiceProtocol::Http2 | ServiceProtocol::OnlyHttp2);
        let is_wanted = is_http2 && self.downstreams.get() >= SHARED_FROM && self.shared().is_none();
        is_wanted && !self.is_connecting.replace(true)
    }

    /// Begins to share a connection, or gives up to open one.
    pub fn set_shared(&self, connected: Option<BufferedConn>, now: Instant) -> Option<Rc<SharedUpstream>> {
        self.is_connecting.set(false);
        self.shared_ids.set(self.shared_ids.get().wrapping_add(1));
        let shared = connected.map(|socket| Rc::new(SharedUpstream::new(self.shared_ids.get(), socket, now)));
        self.shared.replace(shared.clone());
        shared
    }

    /// The tasks of shared connections.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Counts a downstream connection that uses HTTP/2.
    pub fn add_downstream(&self) {
        self.downstreams.set(self.downstreams.get() + 1);
    }

    /// The same at its end.
    pub fn remove_downstream(&self) {
        self.downstreams.set(self.downstreams.get().saturating_sub(1));
    }

    /// What the service speaks.
    pub fn protocol(&self) -> ServiceProtocol {
        if self.assumed_until.get().is_some_and(|until| until <= Instant::now()) {
            self.set_protocol(ServiceProtocol::Unknown);
        }
        self.protocol.get()
    }

    /// Records what the service speaks.
    pub fn set_protocol(&self, protocol: ServiceProtocol) {
        self.assumed_until.set(None);
        self.protocol.set(protocol);
    }

    /// Assumes for some time that the service speaks HTTP/1.1, because it has not answered in HTTP/2.
    pub fn assume_http1(&self, now: Instant) {
        self.protocol.set(ServiceProtocol::Http1);
        self.assumed_until.set(Some(now + ASSUMED_FOR));
    }

    /// Lets the next request find out what the service speaks, but not too often: any client can make a service close a
    /// connection.
    pub fn ask_again(&self, now: Instant) {
        if self.asked_again.get().is_none_or(|before| now.duration_since(before) >= ASSUMED_FOR) {
            self.asked_again.set(Some(now));
            self.set_protocol(ServiceProtocol::Unknown);
        }
    }

    /// Whether the service accepts extended CONNECT (RFC 8441).
    pub fn extended_connect(&self) -> ExtendedConnect {
        self.extended_connect.get()
    }

    /// Records the settings of the service.
    pub fn note_settings(&self, connection: &Connection) {
        if self.protocol.get() != ServiceProtocol::OnlyHttp2 {
            self.set_protocol(ServiceProtocol::Http2);
        }
        self.extended_connect.set(connection.peer_settings().extended_connect);
    }
}
