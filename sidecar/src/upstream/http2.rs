//! Connections to the service over HTTP/2: opens them, keeps idle ones, and remembers what the service supports.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use http2::connection::Connection;
use http2::limits::ExtendedConnect;
use tokio_util::task::TaskTracker;

use crate::socket::buffered_conn::BufferedConn;
use crate::upstream::IDLE_MAX;
use crate::upstream::http2::connection::{Http2Upstream, Memory};
use crate::upstream::http2::shared::SharedUpstream;

pub mod connection;
pub(crate) mod field_list;
mod idle_events;
pub mod shared;

/// Idle connections kept by a worker. More are needed only in a burst.
const IDLE_CONNECTIONS_MAX: usize = 1024;

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

impl Http2Pool {
    /// Takes the idle connection that was used last and is still open.
    pub fn acquire(&self, scratch: &mut [u8]) -> Option<Http2Upstream> {
        // Their windows are large.
        if Memory::of_worker() == Memory::Short {
            return None;
        }
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
