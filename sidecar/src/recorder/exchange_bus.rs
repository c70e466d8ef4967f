//! Publishes completed exchanges to subscribers (access log, spans, taps) and never waits for one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use mesh::endpoint::Endpoint;
use tokio::sync::mpsc;

use crate::recorder::completed_exchange::CompletedExchange;

/// Subscribers at a time, of all kinds: the access log, the spans, and the taps of a few people. Each adds cost to every
/// exchange, so their number must have a limit.
pub const READERS_MAX: usize = 16;

/// The exchange bus: publishes completed exchanges. All workers and all subscribers share one.
///
/// Without a subscriber it costs an exchange one load and one branch. With one, the worker itself makes the record and
/// puts it into the subscriber's own bounded queue. If that is full, the record is not made, and is counted as missed.
#[derive(Default)]
pub struct ExchangeBus {
    /// Written only when the first subscriber joins or the last one leaves, so every core keeps a cached copy of it.
    is_read: AtomicBool,
    readers: ArcSwap<Vec<Arc<dyn ExchangeSink>>>,
}

impl fmt::Debug for ExchangeBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExchangeBus with {} subscribers", self.readers.load().len())
    }
}

/// What a subscriber wants of exchanges. It is called on a worker's thread, so it must be quick and must not block.
pub trait ExchangeFilter: Send + Sync + 'static {
    /// What is queued per exchange until it is read.
    type Record: Send + 'static;

    /// Whether this exchange is wanted. Called before a record is made.
    fn wants(&self, endpoint: &Endpoint, finished: &CompletedExchange<'_>) -> bool;

    /// Whether requests are wanted that were refused before they had an endpoint.
    fn wants_refusals(&self) -> bool {
        false
    }

    /// Makes the record of an exchange.
    fn record(&self, endpoint: &Endpoint, finished: &CompletedExchange<'_>) -> Self::Record;
}

/// The receiving end of a subscription. Dropping it ends the subscription.
pub struct Subscription<T> {
    exchange_bus: Arc<ExchangeBus>,
    offered_to: Arc<dyn ExchangeSink>,
    records: mpsc::Receiver<T>,
    missed: Arc<AtomicU64>,
}

/// There are already [`READERS_MAX`] subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this sidecar's exchanges have {READERS_MAX} readers already; close one of them first")]
pub struct TooManyReaders;

impl ExchangeBus {
    /// Publishes a completed exchange, if there are subscribers.
    #[inline]
    pub fn pass(&self, endpoint: &Endpoint, finished: &CompletedExchange<'_>) {
        if self.is_read.load(Ordering::Relaxed) {
            self.offer(endpoint, finished);
        }
    }

    /// Publishes a request that was refused before it had an endpoint, to subscribers that want those.
    pub fn pass_refusal(&self, finished: &CompletedExchange<'_>) {
        if self.is_read.load(Ordering::Relaxed) {
            let endpoint = Endpoint::other();
            self.readers
                .load()
                .iter()
                .filter(|reader| reader.wants_refusals())
                .for_each(|reader| reader.offer(&endpoint, finished));
        }
    }

    /// Subscribes to what `pick` wants, with room for `room` unread records.
    pub fn read<P: ExchangeFilter>(self: &Arc<Self>, room: usize, pick: P) -> Result<Subscription<P::Record>, TooManyReaders> {
        let (sender, records) = mpsc::channel(room.max(1));
        let missed = Arc::<AtomicU64>::default();
        let offered_to: Arc<dyn ExchangeSink> = Arc::new(Subscriber { pick, sender, missed: Arc::clone(&missed) });
        let before = self.readers.rcu(|readers| {
            let mut readers = Vec::clone(readers);
            if readers.len() < READERS_MAX {
                readers.push(Arc::clone(&offered_to));
            }
            readers
        });
        if before.len() >= READERS_MAX {
            return Err(TooManyReaders);
        }
        self.note_readers();
        Ok(Subscription { exchange_bus: Arc::clone(self), offered_to, records, missed })
    }

    fn offer(&self, endpoint: &Endpoint, finished: &CompletedExchange<'_>) {
        for reader in self.readers.load().iter() {
            reader.offer(endpoint, finished);
        }
    }

    fn leave(&self, offered_to: &Arc<dyn ExchangeSink>) {
        self.readers
            .rcu(|readers| readers.iter().filter(|reader| !Arc::ptr_eq(reader, offered_to)).map(Arc::clone).collect::<Vec<_>>());
        self.note_readers();
    }

    /// Sets `is_read` from the list. Two concurrent changes each read the list after they have changed it, and store
    /// again if it has changed since.
    fn note_readers(&self) {
        loop {
            let is_read = !self.readers.load().is_empty();
            self.is_read.store(is_read, Ordering::SeqCst);
            if is_read != self.readers.load().is_empty() {
                return;
            }
        }
    }
}

impl<T> Subscription<T> {
    /// Takes out up to `at_most` new records, and returns how many there were.
    ///
    /// Subscribers poll a few times a second: waking one would cost the worker a system call for each exchange.
    pub fn take(&mut self, at_most: usize, into: &mut Vec<T>) -> usize {
        let before = into.len();
        into.extend(std::iter::from_fn(|| self.records.try_recv().ok()).take(at_most));
        into.len() - before
    }

    /// Wanted exchanges that found no room, since the start of the subscription.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.exchange_bus.leave(&self.offered_to);
    }
}

/// A subscriber as a worker sees it.
trait ExchangeSink: Send + Sync {
    fn wants_refusals(&self) -> bool;

    fn offer(&self, endpoint: &Endpoint, finished: &CompletedExchange<'_>);
}

struct Subscriber<P: ExchangeFilter> {
    pick: P,
    sender: mpsc::Sender<P::Record>,
    missed: Arc<AtomicU64>,
}

impl<P: ExchangeFilter> ExchangeSink for Subscriber<P> {
    fn wants_refusals(&self) -> bool {
        self.pick.wants_refusals()
    }

    fn offer(&self, endpoint: &Endpoint, finished: &CompletedExchange<'_>) {
        if !self.pick.wants(endpoint, finished) {
            return;
        }
        match self.sender.try_reserve() {
            Ok(place) => place.send(self.pick.record(endpoint, finished)),
            Err(_) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests;
