//! Which worker serves how many connections, and which one gets the next.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc;

/// A connection that was accepted.
#[derive(Debug)]
pub struct Arrival<Socket> {
    /// A socket of the runtime's, or one on its way to another worker and not yet known to any runtime.
    pub socket: Socket,
    /// Who has connected.
    pub caller: IpAddr,
}

/// A connection on its way to the worker that will serve it.
pub type Sent = Arrival<std::net::TcpStream>;

/// Connections that may wait for a worker to take them. They were accepted already, so few should be under way.
const ARRIVALS_MAX: usize = 1024;

/// Connections held at once; more than a service behind one sidecar has ever needed.
const CONNECTIONS_MAX: u32 = 16_384;

/// Descriptors left for everything that is not a connection: those of the workers and the house, the admin port's
/// connections (32), and the connections that are being turned away (16).
const DESCRIPTORS_SPARED: u64 = 96;

/// The workers' places at the table.
pub struct Seats {
    seats: Vec<Seat>,
    connections_max: u32,
}

struct Seat {
    connections: AtomicU32,
    arrivals: mpsc::Sender<Sent>,
}

/// One connection's place; given up when it is dropped.
pub struct Taken {
    seats: std::sync::Arc<Seats>,
    number: usize,
}

impl Seats {
    /// Places for so many workers, and the ends at which they receive their connections.
    /// Whatever the bound is, there are no more than descriptors allow.
    pub fn new(count: usize, connections_max: Option<u32>) -> (Self, Vec<mpsc::Receiver<Sent>>) {
        let mut ends = Vec::new();
        let mut seat = || {
            let (arrivals, end) = mpsc::channel(ARRIVALS_MAX);
            ends.push(end);
            Seat { connections: AtomicU32::new(0), arrivals }
        };
        let seats = (0..count).map(|_| seat()).collect();
        (Self { seats, connections_max: connections_max.unwrap_or(CONNECTIONS_MAX).min(descriptors_allow()) }, ends)
    }

    /// Takes a place with the worker that serves the fewest; the first one accepts, and is asked first.
    /// `None` if there are as many connections as can be held.
    pub fn take(self: &std::sync::Arc<Self>) -> Option<Taken> {
        if self.connections() >= self.connections_max {
            return None;
        }
        let fewest = self.seats.iter().enumerate().min_by_key(|(_, seat)| seat.connections.load(Ordering::Relaxed));
        let (number, seat) = fewest?;
        seat.connections.fetch_add(1, Ordering::Relaxed);
        Some(Taken { seats: std::sync::Arc::clone(self), number })
    }

    /// Sends a connection to a worker that is not this thread's.
    pub fn send(&self, number: usize, arrival: Sent) -> Result<(), Sent> {
        self.seats[number].arrivals.try_send(arrival).map_err(|error| match error {
            mpsc::error::TrySendError::Full(arrival) | mpsc::error::TrySendError::Closed(arrival) => arrival,
        })
    }

    /// A place that was taken by the thread that accepted, for the worker that now serves it.
    pub fn taken(self: &std::sync::Arc<Self>, number: usize) -> Taken {
        Taken { seats: std::sync::Arc::clone(self), number }
    }

    /// All connections.
    pub fn connections(&self) -> u32 {
        self.seats.iter().map(|seat| seat.connections.load(Ordering::Relaxed)).sum()
    }
}

impl Taken {
    /// Whose it is.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Leaves it to the worker it was sent to, who will give it up.
    pub fn hand_over(self) {
        std::mem::forget(self);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.seats.seats[self.number].connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the machine, and not the peer, is why there is no connection.
pub fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// As many as the descriptor limit allows with one connection to the service for each.
fn descriptors_allow() -> u32 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    u32::try_from(limit.saturating_sub(DESCRIPTORS_SPARED) / 2).unwrap_or(u32::MAX).max(1)
}
