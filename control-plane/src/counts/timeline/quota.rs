//! A shared memory quota with a cap per share, which keeps room for small shares when others are large.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::stream_counts::Count;

/// The limits of a memory quota.
#[derive(Debug, Clone, Copy)]
pub struct QuotaLimits {
    /// Bytes that one share may use.
    pub of_one: usize,
    /// Bytes that all shares may use together. Over it, only small shares grow, by at most an
    /// eighth of this limit.
    pub of_all: usize,
    /// A share with at most so many bytes is small.
    pub little: usize,
}

/// A memory quota that many shares draw from.
#[derive(Debug)]
pub struct Quota {
    bounds: QuotaLimits,
    taken: AtomicUsize,
    /// How often a request for bytes was refused.
    pub turned_away: Count,
}

/// One share of the quota: of a service, or of a process.
#[derive(Debug)]
pub struct QuotaShare {
    all: Arc<Quota>,
    taken: AtomicUsize,
}

/// The bytes that one object of a share uses; released on drop.
#[derive(Debug)]
pub struct QuotaUse {
    share: Arc<QuotaShare>,
    bytes: usize,
}

impl Quota {
    /// Bytes that one share may use.
    pub fn of_one(&self) -> usize {
        self.bounds.of_one
    }

    /// Creates a quota with these limits.
    pub fn with(bounds: QuotaLimits) -> Arc<Self> {
        Arc::new(Self { bounds, taken: AtomicUsize::new(0), turned_away: Count::default() })
    }

    /// Bytes in use.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Creates an empty share.
    pub fn share(self: &Arc<Self>) -> Arc<QuotaShare> {
        Arc::new(QuotaShare { all: Arc::clone(self), taken: AtomicUsize::new(0) })
    }
}

impl QuotaShare {
    /// Creates an object that uses no bytes yet.
    pub fn nothing(self: &Arc<Self>) -> QuotaUse {
        QuotaUse { share: Arc::clone(self), bytes: 0 }
    }
}

impl QuotaUse {
    /// Bytes that the object uses.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether the object may use `more` bytes in addition; a refusal is counted.
    pub fn may_take(&self, more: usize) -> bool {
        let of_one = self.share.taken.load(Ordering::Relaxed).saturating_add(more);
        let of_all = self.share.all.taken().saturating_add(more);
        let may_take = self.share.all.bounds.hold(of_one, of_all);
        if !may_take {
            self.share.all.turned_away.up();
        }
        may_take
    }

    /// Sets the bytes that the object uses now.
    pub fn is_now(&mut self, bytes: usize) {
        for taken in [&self.share.taken, &self.share.all.taken] {
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
        self.is_now(0);
    }
}

impl QuotaLimits {
    /// The limit for all shares together, including the extra eighth for small shares.
    pub fn most(self) -> usize {
        self.of_all + self.of_all / 8
    }

    fn hold(self, of_one: usize, of_all: usize) -> bool {
        of_one <= self.of_one && (of_all <= self.of_all || (of_one <= self.little && of_all <= self.most()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: QuotaLimits = QuotaLimits { of_one: 500, of_all: 1000, little: 50 };

    #[test]
    fn who_takes_much_gets_no_more_and_who_takes_little_does() {
        let all = Quota::with(BOUNDS);
        let parties: Vec<_> = (0..4).map(|_| all.share()).collect();
        let mut things: Vec<_> = parties.iter().map(QuotaShare::nothing).collect();
        assert!(things[0].may_take(500) && !things[0].may_take(501), "one party's share");
        things[0].is_now(500);
        things[1].is_now(460);
        assert!(!things[1].may_take(41), "all of it");
        assert!(things[2].may_take(50) && !things[2].may_take(51));
        things[2].is_now(50);
        assert!(things[3].may_take(50), "who takes little is not crowded out");
        assert!(!parties[2].nothing().may_take(1), "of one party each counts");
        let many: Vec<_> = (0..3).map(|_| all.share().nothing()).collect();
        let mut many = many.into_iter().map(|mut thing| {
            let fits = thing.may_take(50);
            thing.is_now(if fits { 50 } else { 0 });
            (fits, thing)
        });
        let many: Vec<_> = many.by_ref().collect();
        assert_eq!(many.iter().map(|(fits, _)| *fits).collect::<Vec<_>>(), [true, true, false], "but not without an end");
        assert_eq!((all.taken(), all.turned_away.so_far()), (1110, 5));
    }

    #[test]
    fn what_is_taken_is_given_back() {
        let all = Quota::with(BOUNDS);
        let share = all.share();
        let (mut one, mut two) = (share.nothing(), all.share().nothing());
        one.is_now(400);
        one.is_now(300);
        two.is_now(11);
        assert_eq!((all.taken(), share.taken.load(Ordering::Relaxed), one.bytes()), (311, 300, 300));
        drop((one, two));
        assert_eq!(all.taken(), 0);
    }
}
