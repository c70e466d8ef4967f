//! Connections to the service: made when needed, kept when idle.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;

use crate::stream::Stream;
use crate::target::Target;
use crate::tunnel::peer::Peer;

/// How long to wait before knocking again, in milliseconds. A service whose queue of connections is full (Python's holds
/// five) drops the knock, and the kernel itself would only repeat it after a whole second; on one machine anything over
/// a millisecond means just that. The range spreads a burst, so that its knocks do not all meet the same full queue.
const KNOCK_MS: std::ops::Range<u64> = 20..60;

/// How long an idle connection is kept. Shorter than the 60 s and more that servers keep theirs,
/// so that it is us who close, and no request meets a connection that is just being closed.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Idle connections kept by a worker. More were never needed at once but in a burst.
const IDLE_CONNECTIONS_MAX: usize = 1024;

/// The connections of one worker.
pub struct Upstreams {
    target: Target,
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    peer: Peer,
    since: Instant,
}

/// A connection to the service, and whether it has served before.
pub struct Upstream {
    /// The connection.
    pub peer: Peer,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a connection came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Made for this exchange.
    Fresh,
    /// It was idle: the service may have closed it meanwhile.
    Pooled,
}

/// How sure one must be that an idle connection still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// The request can be sent again.
    Usual,
    /// The request must not be sent twice: ask the kernel first.
    Utmost,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The service refused, or there is no way to it.
    #[error("connect to the service at {address}: {source}")]
    Refused {
        /// Where the service should listen.
        address: Target,
        /// What the kernel said.
        source: io::Error,
    },
    /// The service did not accept in time.
    #[error("connect to the service at {address}: no answer within {within:?}")]
    Deadline {
        /// Where the service should listen.
        address: Target,
        /// How long it was asked.
        within: Duration,
    },
}

impl Upstreams {
    /// No connections yet.
    pub fn new(target: Target) -> Self {
        Self { target, idle: RefCell::default() }
    }

    /// An idle connection, the one used last; it is the likeliest to stand.
    pub fn take(&self, care: Care) -> Option<Upstream> {
        while let Some(idle) = self.idle.borrow_mut().pop() {
            if (care == Care::Usual && !has_stirred(idle.peer.stream())) || is_quiet(idle.peer.stream()) {
                return Some(Upstream { peer: idle.peer, origin: Origin::Pooled });
            }
        }
        None
    }

    /// A new connection, if the service accepts within that time.
    pub async fn connect(&self, within: Duration) -> Result<Upstream, ConnectError> {
        let knocking = async {
            loop {
                let wait = Duration::from_millis(rand::random_range(KNOCK_MS));
                if let Ok(dialled) = tokio::time::timeout(wait, self.target.connect()).await {
                    return dialled;
                }
            }
        };
        let dialled = tokio::time::timeout(within, knocking).await;
        let stream = dialled
            .map_err(|_| ConnectError::Deadline { address: self.target.clone(), within })?
            .map_err(|source| ConnectError::Refused { address: self.target.clone(), source })?;
        Ok(Upstream { peer: Peer::new(stream), origin: Origin::Fresh })
    }

    /// Keeps a connection whose last exchange is wholly over.
    pub fn give_back(&self, peer: Peer, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(Idle { peer, since: now });
        }
    }

    /// Lets go of the connections that were idle for long, or on which the service has said or closed something.
    pub async fn sweep(&self, now: Instant) {
        let mut idle = self.idle.take();
        poll_fn(|cx| {
            idle.retain(|idle| now.duration_since(idle.since) < IDLE_MAX && idle.peer.stream().poll_read_ready(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        // Nothing else runs on this thread between the two lines, so none was given back meanwhile.
        self.idle.replace(idle);
    }

    /// Where requests go.
    pub fn target(&self) -> &Target {
        &self.target
    }
}

/// Whether the runtime knows of anything that has happened on the connection: what the service says before it is asked
/// would be taken for the answer to the next question. It costs no system call.
fn has_stirred(stream: &Stream) -> bool {
    stream.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Whether a peer has neither sent nor closed anything, by the kernel's own word.
pub fn is_quiet(stream: &Stream) -> bool {
    let mut byte = [0_u8];
    let peeked = rustix::net::recv(stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
    matches!(peeked, Err(rustix::io::Errno::AGAIN))
}
