//! A quota of places: limits how many objects of one kind exist, however many pods report.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A quota with a fixed number of places.
#[derive(Debug)]
pub struct CountQuota {
    max: usize,
    in_use: AtomicUsize,
}

/// A place in the quota, released on drop.
#[derive(Debug)]
pub struct QuotaPermit(Arc<CountQuota>);

impl CountQuota {
    /// Creates a quota with all places free.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { max: places, in_use: AtomicUsize::new(0) })
    }

    /// Takes a place, if one is left.
    pub fn acquire(self: &Arc<Self>) -> Option<QuotaPermit> {
        let more = |taken: usize| (taken < self.max).then_some(taken + 1);
        self.in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok().then(|| QuotaPermit(Arc::clone(self)))
    }

    /// Places in use.
    pub fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }
}

impl Drop for QuotaPermit {
    fn drop(&mut self) {
        self.0.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Pod and endpoint pairs that have recent minutes. Each takes 16 bytes per used latency bucket in
/// up to six minutes: 1.5 kB with a dozen buckets, so 50 MB in all. Over the limit, an endpoint has
/// no values per pod.
pub const RECENT_PAIRS_MAX: usize = 32_768;
