//! A quota of places: limits how many objects of one kind exist, however many pods report.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A quota with a fixed number of places.
#[derive(Debug)]
pub struct CountQuota {
    places: usize,
    taken: AtomicUsize,
}

/// A place in the quota, released on drop.
#[derive(Debug)]
pub struct QuotaPermit(Arc<CountQuota>);

impl CountQuota {
    /// Creates a quota with all places free.
    pub fn with(places: usize) -> Arc<Self> {
        Arc::new(Self { places, taken: AtomicUsize::new(0) })
    }

    /// Takes a place, if one is left.
    pub fn place(self: &Arc<Self>) -> Option<QuotaPermit> {
        let more = |taken: usize| (taken < self.places).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok().then(|| QuotaPermit(Arc::clone(self)))
    }

    /// Places in use.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for QuotaPermit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Pod and endpoint pairs that have recent minutes. Each takes 16 bytes per used latency bucket in
/// up to six minutes: 1.5 kB with a dozen buckets, so 50 MB in all. Over the limit, an endpoint has
/// no values per pod.
pub const PLACES_MAX: usize = 32_768;
