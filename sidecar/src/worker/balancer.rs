//! Balances connections over the workers: counts them and assigns the next one.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc;

/// An accepted connection.
#[derive(Debug)]
pub struct AcceptedConnection<Socket> {
    /// A socket registered with a runtime, or one on its way to another worker and not registered yet.
    pub socket: Socket,
    /// The caller's address.
    pub caller: IpAddr,
}

/// A connection on its way to the worker that will serve it.
pub type NewConnection = AcceptedConnection<std::net::TcpStream>;

/// Connections that may wait for a worker to take them. They are already accepted, so few should wait.
const ARRIVALS_MAX: usize = 1024;

/// The most connections at once. No service behind one sidecar has needed more.
const CONNECTIONS_MAX: u32 = 16_384;

/// Descriptors reserved for everything but connections: the workers, the background tasks, the admin port's
/// connections (32), and refused connections (16).
const DESCRIPTORS_SPARED: u64 = 96;

/// The connection balancer: one slot per worker.
pub struct ConnectionBalancer {
    slots: Vec<Slot>,
    connections_max: u32,
}

struct Slot {
    connections: AtomicU32,
    arrivals: mpsc::Sender<NewConnection>,
}

/// Counts one connection in its slot until it is dropped.
pub struct ConnectionGuard {
    balancer: std::sync::Arc<ConnectionBalancer>,
    number: usize,
}

impl ConnectionBalancer {
    /// Slots for `count` workers, and the receivers of their connections. `connections_max` is limited by
    /// the number of descriptors.
    pub fn new(count: usize, connections_max: Option<u32>) -> (Self, Vec<mpsc::Receiver<NewConnection>>) {
        let mut ends = Vec::new();
        let mut slot = || {
            let (arrivals, end) = mpsc::channel(ARRIVALS_MAX);
            ends.push(end);
            Slot { connections: AtomicU32::new(0), arrivals }
        };
        let slots = (0..count).map(|_| slot()).collect();
        (Self { slots, connections_max: connections_max.unwrap_or(CONNECTIONS_MAX).min(descriptors_allow()) }, ends)
    }

    /// Takes the slot of the worker with the fewest connections. On a tie the first worker wins, which is
    /// the one that accepts. `None` if there are too many connections.
    pub fn take(self: &std::sync::Arc<Self>) -> Option<ConnectionGuard> {
        if self.connections() >= self.connections_max {
            return None;
        }
        let fewest = self.slots.iter().enumerate().min_by_key(|(_, slot)| slot.connections.load(Ordering::Relaxed));
        let (number, slot) = fewest?;
        slot.connections.fetch_add(1, Ordering::Relaxed);
        Some(ConnectionGuard { balancer: std::sync::Arc::clone(self), number })
    }

    /// Sends a connection to another worker's thread.
    pub fn send(&self, number: usize, arrival: NewConnection) -> Result<(), NewConnection> {
        self.slots[number].arrivals.try_send(arrival).map_err(|error| match error {
            mpsc::error::TrySendError::Full(arrival) | mpsc::error::TrySendError::Closed(arrival) => arrival,
        })
    }

    /// The guard for a connection that the accepting thread has already counted for this worker.
    pub fn taken(self: &std::sync::Arc<Self>, number: usize) -> ConnectionGuard {
        ConnectionGuard { balancer: std::sync::Arc::clone(self), number }
    }

    /// The connections of all workers.
    pub fn connections(&self) -> u32 {
        self.slots.iter().map(|slot| slot.connections.load(Ordering::Relaxed)).sum()
    }
}

impl ConnectionGuard {
    /// The number of the worker.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Keeps the connection counted. The receiving worker creates its own guard.
    pub fn hand_over(self) {
        std::mem::forget(self);
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.balancer.slots[self.number].connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections that the descriptor limit allows, with one connection to the service for each. A downstream over HTTP/2
/// may have more; if descriptors run out, requests are answered with 503 `overloaded`.
fn descriptors_allow() -> u32 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    u32::try_from(limit.saturating_sub(DESCRIPTORS_SPARED) / 2).unwrap_or(u32::MAX).max(1)
}
