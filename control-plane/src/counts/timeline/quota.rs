//! Quotas that many share: of bytes, with a cap per share and room for small shares, and of places.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::stream_counts::Count;

/// The limits of a memory quota.
#[derive(Debug, Clone, Copy)]
pub struct QuotaLimits {
    /// Bytes that one share may use.
    pub per_share: usize,
    /// Bytes that all shares may use together. Over it, only small shares grow, by at most an
    /// eighth of this limit.
    pub in_total: usize,
    /// A share with at most so many bytes is small.
    pub small: usize,
}

/// A memory quota that many shares draw from.
#[derive(Debug)]
pub struct Quota {
    limits: QuotaLimits,
    in_use: AtomicUsize,
    /// How often a request for bytes was refused.
    pub refused: Count,
}

/// One share of the quota: of a service, or of a process.
#[derive(Debug)]
pub struct QuotaShare {
    all: Arc<Quota>,
    in_use: AtomicUsize,
}

/// The bytes that one object of a share uses; released on drop.
#[derive(Debug)]
pub struct QuotaUse {
    share: Arc<QuotaShare>,
    bytes: usize,
}

impl Quota {
    /// Bytes that one share may use.
    pub fn per_share(&self) -> usize {
        self.limits.per_share
    }

    /// Creates a quota with these limits.
    pub fn new(bounds: QuotaLimits) -> Arc<Self> {
        Arc::new(Self { limits: bounds, in_use: AtomicUsize::new(0), refused: Count::default() })
    }

    /// Bytes in use.
    pub fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Creates an empty share.
    pub fn share(self: &Arc<Self>) -> Arc<QuotaShare> {
        Arc::new(QuotaShare { all: Arc::clone(self), in_use: AtomicUsize::new(0) })
    }
}

impl QuotaShare {
    /// Creates an object that uses no bytes yet.
    pub fn new_use(self: &Arc<Self>) -> QuotaUse {
        QuotaUse { share: Arc::clone(self), bytes: 0 }
    }
}

impl QuotaUse {
    /// Bytes that the object uses.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether the object may use `more` bytes in addition; a refusal is counted.
    pub fn admits(&self, more: usize) -> bool {
        let of_one = self.share.in_use.load(Ordering::Relaxed).saturating_add(more);
        let of_all = self.share.all.in_use().saturating_add(more);
        let may_take = self.share.all.limits.allow(of_one, of_all);
        if !may_take {
            self.share.all.refused.up();
        }
        may_take
    }

    /// Sets the bytes that the object uses now.
    pub fn resize(&mut self, bytes: usize) {
        for taken in [&self.share.in_use, &self.share.all.in_use] {
            if bytes > self.bytes {
                taken.fetch_add(bytes - self.bytes, Ordering::Relaxed);
            } else if bytes < self.bytes {
                taken.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            }
        }
        self.bytes = bytes;
    }
}

impl Drop for QuotaUse {
    fn drop(&mut self) {
        self.resize(0);
    }
}

impl QuotaLimits {
    /// The limit for all shares together, including the extra eighth for small shares.
    pub fn max(self) -> usize {
        self.in_total + self.in_total / 8
    }

    fn allow(self, of_one: usize, of_all: usize) -> bool {
        of_one <= self.per_share && (of_all <= self.in_total || (of_one <= self.small && of_all <= self.max()))
    }
}

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
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, in_use: AtomicUsize::new(0) })
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

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: QuotaLimits = QuotaLimits { per_share: 500, in_total: 1000, small: 50 };

    #[test]
    fn who_takes_much_gets_no_more_and_who_takes_little_does() {
        let all = Quota::new(BOUNDS);
        let parties: Vec<_> = (0..4).map(|_| all.share()).collect();
        let mut things: Vec<_> = parties.iter().map(QuotaShare::new_use).collect();
        assert!(things[0].admits(500) && !things[0].admits(501), "one party's share");
        things[0].resize(500);
        things[1].resize(460);
        assert!(!things[1].admits(41), "all of it");
        assert!(things[2].admits(50) && !things[2].admits(51));
        things[2].resize(50);
        assert!(things[3].admits(50), "who takes little is not crowded out");
        assert!(!parties[2].new_use().admits(1), "of one party each counts");
        let many: Vec<_> = (0..3).map(|_| all.share().new_use()).collect();
        let mut many = many.into_iter().map(|mut thing| {
            let fits = thing.admits(50);
            thing.resize(if fits { 50 } else { 0 });
            (fits, thing)
        });
        let many: Vec<_> = many.by_ref().collect();
        assert_eq!(many.iter().map(|(fits, _)| *fits).collect::<Vec<_>>(), [true, true, false], "but not without an end");
        assert_eq!((all.in_use(), all.refused.so_far()), (1110, 5));
    }

    #[test]
    fn what_is_taken_is_given_back() {
        let all = Quota::new(BOUNDS);
        let share = all.share();
        let (mut one, mut two) = (share.new_use(), all.share().new_use());
        one.resize(400);
        one.resize(300);
        two.resize(11);
        assert_eq!((all.in_use(), share.in_use.load(Ordering::Relaxed), one.bytes()), (311, 300, 300));
        drop((one, two));
        assert_eq!(all.in_use(), 0);
    }
}
