//! Pool of connections to the service: connects on demand and keeps idle connections.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::socket::buffered_conn::BufferedConn;
use crate::socket::stream::{Stream, has_no_input};
use crate::target::ServiceAddr;

pub mod http2;
pub mod service_pools;

/// How long to wait for a connect before a retry, in milliseconds. A service with a full accept queue
/// (Python's holds five) drops the SYN, and the kernel repeats it only after a second. On one machine, a
/// connect that takes over a millisecond means a full queue. The random range spreads a burst, so that its
/// retries do not all hit the same full queue.
const CONNECT_RETRY_MS: std::ops::Range<u64> = 20..60;

/// How long an idle connection is kept. Servers keep theirs 60 s or longer. With a shorter time the sidecar
/// closes first, so no request meets a connection that is just being closed.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(15);

/// Idle connections kept by a worker. More are needed only in a burst.
const IDLE_CONNECTIONS_MAX: usize = 1024;

/// The connections of one worker.
pub struct UpstreamPool {
    target: ServiceAddr,
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    peer: BufferedConn,
    since: Instant,
}

/// A connection to the service, and whether it was used before.
pub struct Upstream {
    /// The connection.
    pub peer: BufferedConn,
    /// Whether it is new.
    pub origin: ConnectionOrigin,
}

/// Whether a connection is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionOrigin {
    /// Opened for this exchange.
    Fresh,
    /// Taken from the pool. The service may have closed it meanwhile.
    Pooled,
}

/// How carefully to check that an idle connection is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReuseCheck {
    /// The request can be sent again: a cheap check is enough.
    Usual,
    /// The request must not be sent twice: ask the kernel first.
    Utmost,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The service refused the connection, or is not reachable.
    #[error("connect to the service at {address}: {source}")]
    Refused {
        /// The service's address.
        address: ServiceAddr,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The service did not accept in time.
    #[error("connect to the service at {address}: no answer within {within:?}")]
    Deadline {
        /// The service's address.
        address: ServiceAddr,
        /// The timeout.
        within: Duration,
    },
}

impl UpstreamPool {
    /// An empty pool.
    pub fn new(target: ServiceAddr) -> Self {
        Self { target, idle: RefCell::default() }
    }

    /// Takes the idle connection that was used last, because it is the most likely to be open.
    pub fn acquire(&self, care: ReuseCheck) -> Option<Upstream> {
        while let Some(idle) = self.idle.borrow_mut().pop() {
            if (care == ReuseCheck::Usual && !has_pending_input(idle.peer.stream())) || has_no_input(idle.peer.stream()) {
                return Some(Upstream { peer: idle.peer, origin: ConnectionOrigin::Pooled });
            }
        }
        None
    }

    /// Opens a new connection, if the service accepts within that time.
    pub async fn connect(&self, within: Duration) -> Result<Upstream, ConnectError> {
        let connecting = async {
            loop {
                let wait = Duration::from_millis(rand::random_range(CONNECT_RETRY_MS));
                if let Ok(dialled) = tokio::time::timeout(wait, self.target.connect()).await {
                    return dialled;
                }
            }
        };
        let dialled = tokio::time::timeout(within, connecting).await;
        let stream = dialled
            .map_err(|_| ConnectError::Deadline { address: self.target.clone(), within })?
            .map_err(|source| ConnectError::Refused { address: self.target.clone(), source })?;
        Ok(Upstream { peer: BufferedConn::new(stream), origin: ConnectionOrigin::Fresh })
    }

    /// Returns a connection to the pool. Its last exchange must be completely over.
    pub fn release(&self, peer: BufferedConn, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(Idle { peer, since: now });
        }
    }

    /// Closes connections that were idle for too long, or on which the service has sent data or closed.
    pub async fn evict_idle(&self, now: Instant) {
        let mut idle = self.idle.take();
        poll_fn(|cx| {
            idle.retain(|idle| now.duration_since(idle.since) < IDLE_MAX && idle.peer.stream().poll_read_ready(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        // No other task runs on this thread between the two lines, so no connection was returned meanwhile.
        self.idle.replace(idle);
    }

    /// The service's address.
    pub fn target(&self) -> &ServiceAddr {
        &self.target
    }
}

/// Whether the runtime knows of input on the connection. Bytes that the service sends before a request
/// would be taken for the next response. This needs no system call.
fn has_pending_input(stream: &Stream) -> bool {
    stream.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_ready()
}
