//! Lets finished exchanges out to whoever reads them, one by one, and never waits for a reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use mesh::endpoint::Endpoint;
use tokio::sync::mpsc;

use crate::recorder::finished::Finished;

/// Readers at a time, all kinds together: the access log, the spans, and the taps of a few people.
/// Each costs every exchange a look, so a stranger must not be able to open them without end.
pub const READERS_MAX: usize = 16;

/// The way out for finished exchanges. All workers share one, and so does whoever wants to read.
///
/// Without a reader it costs an exchange one load and one branch. With one, the worker itself makes the record and leaves
/// it in the reader's own bounded room; if that is full, the record is not made, and is counted as missed.
#[derive(Default)]
pub struct Outlet {
    /// Written only when the first reader comes or the last one leaves, so that every core keeps its own copy of it.
    is_read: AtomicBool,
    readers: ArcSwap<Vec<Arc<dyn Offer>>>,
}

/// What a reader wants to know of exchanges. It is asked on a worker's thread, so it must be quick and must not wait.
pub trait Pick: Send + Sync + 'static {
    /// What is kept of an exchange until it is read.
    type Record: Send + 'static;

    /// Whether this exchange is wanted. It is asked before anything is made.
    fn wants(&self, endpoint: &Endpoint, finished: &Finished<'_>) -> bool;

    /// Whether requests are wanted that were refused before they had an endpoint.
    fn wants_refusals(&self) -> bool {
        false
    }

    /// What is kept of it.
    fn record(&self, endpoint: &Endpoint, finished: &Finished<'_>) -> Self::Record;
}

/// One reader's end. When it is dropped, nothing more is made for it.
pub struct Reading<T> {
    outlet: Arc<Outlet>,
    offered_to: Arc<dyn Offer>,
    records: mpsc::Receiver<T>,
    missed: Arc<AtomicU64>,
}

/// There are [`READERS_MAX`] readers already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this sidecar's exchanges have {READERS_MAX} readers already; close one of them first")]
pub struct TooManyReaders;

impl Outlet {
    /// Lets a finished exchange out, if anybody reads.
    #[inline]
    pub fn pass(&self, endpoint: &Endpoint, finished: &Finished<'_>) {
        if self.is_read.load(Ordering::Relaxed) {
            self.offer(endpoint, finished);
        }
    }

    /// Lets a request out that was refused before it had an endpoint, to readers that want those.
    pub fn pass_refusal(&self, finished: &Finished<'_>) {
        if self.is_read.load(Ordering::Relaxed) {
            let endpoint = Endpoint::other();
            self.readers
                .load()
                .iter()
                .filter(|reader| reader.wants_refusals())
                .for_each(|reader| reader.offer(&endpoint, finished));
        }
    }

    /// A new reader of what `pick` wants, with room for so many records that it has not read yet.
    pub fn read<P: Pick>(self: &Arc<Self>, room: usize, pick: P) -> Result<Reading<P::Record>, TooManyReaders> {
        let (sender, records) = mpsc::channel(room.max(1));
        let missed = Arc::<AtomicU64>::default();
        let offered_to: Arc<dyn Offer> = Arc::new(Mouth { pick, sender, missed: Arc::clone(&missed) });
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
        Ok(Reading { outlet: Arc::clone(self), offered_to, records, missed })
    }

    fn offer(&self, endpoint: &Endpoint, finished: &Finished<'_>) {
        for reader in self.readers.load().iter() {
            reader.offer(endpoint, finished);
        }
    }

    fn leave(&self, offered_to: &Arc<dyn Offer>) {
        self.readers
            .rcu(|readers| readers.iter().filter(|reader| !Arc::ptr_eq(reader, offered_to)).map(Arc::clone).collect::<Vec<_>>());
        self.note_readers();
    }

    /// Two who come and go at once each look at the list after they have changed it, and tell again if it has changed since.
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

impl<T> Reading<T> {
    /// Takes out what has come since the last time, `at_most` so many records, and says how many there were.
    ///
    /// A reader comes by of its own accord, a few times a second: to wake it would cost the worker a system call for each
    /// exchange.
    pub fn take(&mut self, at_most: usize, into: &mut Vec<T>) -> usize {
        let before = into.len();
        into.extend(std::iter::from_fn(|| self.records.try_recv().ok()).take(at_most));
        into.len() - before
    }

    /// Exchanges that were wanted and did not find room, since the beginning.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl<T> Drop for Reading<T> {
    fn drop(&mut self) {
        self.outlet.leave(&self.offered_to);
    }
}

/// A reader as a worker sees it.
trait Offer: Send + Sync {
    fn wants_refusals(&self) -> bool;

    fn offer(&self, endpoint: &Endpoint, finished: &Finished<'_>);
}

struct Mouth<P: Pick> {
    pick: P,
    sender: mpsc::Sender<P::Record>,
    missed: Arc<AtomicU64>,
}

impl<P: Pick> Offer for Mouth<P> {
    fn wants_refusals(&self) -> bool {
        self.pick.wants_refusals()
    }

    fn offer(&self, endpoint: &Endpoint, finished: &Finished<'_>) {
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
