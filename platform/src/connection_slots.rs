//! Connection limits in total and per address; at a limit, the connection that was idle longest is closed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Limits on open connections.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// From all addresses together.
    pub all: usize,
    /// From one address.
    pub of_address: usize,
    /// In addition to these two limits, for probes only.
    pub reserve: usize,
}

/// The open connections. Cheap to clone: clones share state.
#[derive(Debug, Clone)]
pub struct ConnectionSlots(Arc<SlotTable>);

#[derive(Debug)]
struct SlotTable {
    bounds: Bounds,
    /// Incremented when a connection becomes idle, so that the smallest number is the longest idle
    /// time.
    silences: AtomicU64,
    open: Mutex<OpenSlots>,
}

#[derive(Debug, Default)]
struct OpenSlots {
    connections: HashMap<u64, SlotEntry>,
    /// Ordinary connections by address.
    by_address: HashMap<IpAddr, usize>,
    ordinary: usize,
    reserved: usize,
    next: u64,
    gave_way: u64,
    refused: u64,
}

#[derive(Debug)]
struct SlotEntry {
    address: IpAddr,
    kind: SlotKind,
    activity: Arc<ConnectionActivity>,
}

/// What a connection may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// Every request.
    Ordinary,
    /// Probes only.
    Reserve,
}

/// Whether a connection is idle or has a request in flight.
#[derive(Debug)]
pub struct ConnectionActivity {
    shared: Arc<SlotTable>,
    under_way: AtomicUsize,
    silence: AtomicU64,
    closed: CancellationToken,
}

/// The place of a connection; released on drop.
#[derive(Debug)]
pub struct ConnectionSlot {
    number: u64,
    kind: SlotKind,
    activity: Arc<ConnectionActivity>,
}

/// A request in flight; the connection is not idle until this is dropped.
#[derive(Debug)]
pub struct ActiveRequest(Arc<ConnectionActivity>);

impl ConnectionSlots {
    /// Creates places within these limits, all of them free.
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(SlotTable { bounds, silences: AtomicU64::new(0), open: Mutex::default() }))
    }

    /// Takes a place for a connection from this address. If the address, or all addresses together,
    /// are at the limit, the longest idle connection among them is closed. If none is idle, the
    /// place comes from the reserve. Returns `None` if the reserve is full of probes in flight,
    /// too.
    pub fn place(&self, address: IpAddr) -> Option<ConnectionSlot> {
        let Bounds { all, of_address, reserve } = self.0.bounds;
        let mut open = self.0.hold();
        let is_crowded = open.by_address.get(&address).is_some_and(|count| *count >= of_address);
        let is_ordinary = if is_crowded {
            open.close_oldest(|entry| entry.kind == SlotKind::Ordinary && entry.address == address)
        } else {
            open.ordinary < all || open.close_oldest(|entry| entry.kind == SlotKind::Ordinary)
        };
        let kind = if is_ordinary { SlotKind::Ordinary } else { SlotKind::Reserve };
        if kind == SlotKind::Reserve && open.reserved >= reserve && !open.close_oldest(|entry| entry.kind == SlotKind::Reserve) {
            open.refused += 1;
            return None;
        }
        let activity = Arc::new(ConnectionActivity {
            shared: Arc::clone(&self.0),
            under_way: AtomicUsize::new(0),
            silence: AtomicU64::new(self.0.next_silence()),
            closed: CancellationToken::new(),
        });
        let number = open.add(SlotEntry { address, kind, activity: Arc::clone(&activity) });
        Some(ConnectionSlot { number, kind, activity })
    }

    /// Open connections.
    pub fn taken(&self) -> usize {
        self.0.hold().connections.len()
    }

    /// Idle connections that were closed because another one needed their place.
    pub fn gave_way(&self) -> u64 {
        self.0.hold().gave_way
    }

    /// Connections that were closed at once because no other could be closed for them.
    pub fn refused(&self) -> u64 {
        self.0.hold().refused
    }
}

impl SlotTable {
    fn hold(&self) -> MutexGuard<'_, OpenSlots> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_silence(&self) -> u64 {
        self.silences.fetch_add(1, Ordering::Relaxed)
    }
}

impl OpenSlots {
    fn add(&mut self, entry: SlotEntry) -> u64 {
        match entry.kind {
            SlotKind::Ordinary => {
                self.ordinary += 1;
                *self.by_address.entry(entry.address).or_default() += 1;
            }
            SlotKind::Reserve => self.reserved += 1,
        }
        let number = self.next;
        self.next += 1;
        self.connections.insert(number, entry);
        number
    }

    fn remove(&mut self, number: u64) -> Option<SlotEntry> {
        let entry = self.connections.remove(&number)?;
        match entry.kind {
            SlotKind::Reserve => self.reserved -= 1,
            SlotKind::Ordinary => {
                self.ordinary -= 1;
                // An address without connections is removed, so that the table never has more
                // entries than there are connections.
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

    /// Closes the longest idle connection that matches; returns whether there was one.
    fn close_oldest(&mut self, is_meant: impl Fn(&SlotEntry) -> bool) -> bool {
        let silent = self.connections.iter().filter(|(_, entry)| is_meant(entry) && !entry.activity.is_under_way());
        let oldest = silent.min_by_key(|(_, entry)| entry.activity.silence.load(Ordering::Relaxed)).map(|(number, _)| *number);
        let Some(entry) = oldest.and_then(|number| self.remove(number)) else { return false };
        entry.activity.closed.cancel();
        self.gave_way += 1;
        true
    }
}

impl ConnectionActivity {
    /// Marks the start of a request.
    pub fn begin(self: &Arc<Self>) -> ActiveRequest {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(Arc::clone(self))
    }

    /// Returns whether a request is in flight.
    pub fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Restarts the idle time: the peer has accepted bytes.
    pub fn moved(&self) {
        self.silence.store(self.shared.next_silence(), Ordering::Relaxed);
    }
}

impl ConnectionSlot {
    /// What the place may be used for.
    pub fn kind(&self) -> SlotKind {
        self.kind
    }

    /// The activity of its connection.
    pub fn activity(&self) -> &Arc<ConnectionActivity> {
        &self.activity
    }

    /// Cancelled when the connection must be closed for another one.
    pub fn closed(&self) -> &CancellationToken {
        &self.activity.closed
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.activity.shared.hold().remove(self.number);
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.moved();
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
