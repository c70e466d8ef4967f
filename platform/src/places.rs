//! Places for connections: bounded in all and by address; when they run out, the connection that was silent longest is closed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// How many connections may be open at a time.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// From all addresses together.
    pub all: usize,
    /// From one address.
    pub of_address: usize,
    /// Beyond these two bounds, for probes only.
    pub reserve: usize,
}

/// The connections that are open. Cheap to clone: every clone is the same.
#[derive(Debug, Clone)]
pub struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    /// Counts up with every silence that begins, so that the smallest number is the oldest silence.
    silences: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<u64, Entry>,
    /// Connections in ordinary places, by address.
    by_address: HashMap<IpAddr, usize>,
    ordinary: usize,
    reserved: usize,
    next: u64,
    gave_way: u64,
    refused: u64,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    kind: Kind,
    activity: Arc<Activity>,
}

/// What a place is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Every request.
    Ordinary,
    /// Probes only.
    Reserve,
}

/// Whether a connection is silent or has a request under way.
#[derive(Debug)]
pub struct Activity {
    shared: Arc<Shared>,
    under_way: AtomicUsize,
    silence: AtomicU64,
    closed: CancellationToken,
}

/// A connection's place; free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    number: u64,
    kind: Kind,
    activity: Arc<Activity>,
}

/// A request that is under way; the connection is not silent until this is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<Activity>);

impl Places {
    /// Places within these bounds, all of them free.
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Shared { bounds, silences: AtomicU64::new(0), open: Mutex::default() }))
    }

    /// A place for a connection from this address. If its address or all addresses together hold as many as they may, the
    /// oldest silent connection among them is closed; if none is silent, the place is one of the reserve. `None` if even the
    /// reserve is full of probes that are being answered.
    pub fn place(&self, address: IpAddr) -> Option<Place> {
        let Bounds { all, of_address, reserve } = self.0.bounds;
        let mut open = self.0.hold();
        let is_crowded = open.by_address.get(&address).is_some_and(|count| *count >= of_address);
        let is_ordinary = if is_crowded {
            open.close_oldest(|entry| entry.kind == Kind::Ordinary && entry.address == address)
        } else {
            open.ordinary < all || open.close_oldest(|entry| entry.kind == Kind::Ordinary)
        };
        let kind = if is_ordinary { Kind::Ordinary } else { Kind::Reserve };
        if kind == Kind::Reserve && open.reserved >= reserve && !open.close_oldest(|entry| entry.kind == Kind::Reserve) {
            open.refused += 1;
            return None;
        }
        let activity = Arc::new(Activity {
            shared: Arc::clone(&self.0),
            under_way: AtomicUsize::new(0),
            silence: AtomicU64::new(self.0.next_silence()),
            closed: CancellationToken::new(),
        });
        let number = open.add(Entry { address, kind, activity: Arc::clone(&activity) });
        Some(Place { number, kind, activity })
    }

    /// Connections that are open.
    pub fn taken(&self) -> usize {
        self.0.hold().connections.len()
    }

    /// Silent connections that were closed because another one needed their place.
    pub fn gave_way(&self) -> u64 {
        self.0.hold().gave_way
    }

    /// Connections that were closed at once because no connection could give way.
    pub fn refused(&self) -> u64 {
        self.0.hold().refused
    }
}

impl Shared {
    fn hold(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_silence(&self) -> u64 {
        self.silences.fetch_add(1, Ordering::Relaxed)
    }
}

impl Open {
    fn add(&mut self, entry: Entry) -> u64 {
        match entry.kind {
            Kind::Ordinary => {
                self.ordinary += 1;
                *self.by_address.entry(entry.address).or_default() += 1;
            }
            Kind::Reserve => self.reserved += 1,
        }
        let number = self.next;
        self.next += 1;
        self.connections.insert(number, entry);
        number
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.connections.remove(&number)?;
        match entry.kind {
            Kind::Reserve => self.reserved -= 1,
            Kind::Ordinary => {
                self.ordinary -= 1;
                // An address without connections is removed, so that the table stays as small as the number of connections.
                if let Some(count) = self.by_address.get_mut(&entry.address) {
                    *count -= 1;
                    if *count == 0 {
                        self.by_address.remove(&entry.address);
                    }
                }
            }
        }
        Some(entry)
    }

    /// Closes the oldest silent connection among these, if there is one.
    fn close_oldest(&mut self, is_meant: impl Fn(&Entry) -> bool) -> bool {
        let silent = self.connections.iter().filter(|(_, entry)| is_meant(entry) && !entry.activity.is_under_way());
        let oldest = silent.min_by_key(|(_, entry)| entry.activity.silence.load(Ordering::Relaxed)).map(|(number, _)| *number);
        let Some(entry) = oldest.and_then(|number| self.remove(number)) else { return false };
        entry.activity.closed.cancel();
        self.gave_way += 1;
        true
    }
}

impl Activity {
    /// A request begins.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Whether a request is under way.
    pub fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// The peer has taken bytes: the silence begins anew.
    pub fn moved(&self) {
        self.silence.store(self.shared.next_silence(), Ordering::Relaxed);
    }
}

impl Place {
    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The activity of its connection.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Cancelled when the connection has to give way.
    pub fn closed(&self) -> &CancellationToken {
        &self.activity.closed
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.activity.shared.hold().remove(self.number);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.moved();
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
