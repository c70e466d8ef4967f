//! Cached sums over completed slots, valid until one of them changes.

use mesh::golden::GoldenMetrics;

use crate::counts::timeline::ring::SlotRing;
use crate::counts::timeline::time_range::TimeRange;

/// Sums kept: a window and the one before it, for two windows that people look at. Each is as big
/// as a slot.
const SUMS_MAX: usize = 4;

/// The sums that were computed last. A page asks for the same sums for ten seconds. Without the
/// cache, adding up thirty slots for each of a thousand endpoints is most of its cost.
#[derive(Debug, Default)]
pub(super) struct SumCache(Vec<CachedSum>);

#[derive(Debug)]
struct CachedSum {
    over: TimeRange,
    revisions: u64,
    golden: GoldenMetrics,
}

impl SumCache {
    /// Returns the sum of a ring's slots over a range of whole steps.
    pub(super) fn over(&mut self, over: TimeRange, ring: &SlotRing) -> GoldenMetrics {
        let revisions = ring.revisions();
        self.0.retain(|sum| sum.revisions == revisions);
        let is_settled = ring.is_settled(over);
        if let Some(known) = self.0.iter().find(|sum| sum.over == over).filter(|_| is_settled) {
            return known.golden.clone();
        }
        let golden = ring.sum(over);
        // A quiet endpoint needs no memory for this.
        if is_settled && !golden.is_empty() {
            self.0.retain(|sum| sum.over != over);
            if self.0.len() >= SUMS_MAX {
                self.0.remove(0);
            }
            self.0.push(CachedSum { over, revisions, golden: golden.clone() });
        }
        golden
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hits(hits: u64) -> GoldenMetrics {
        let mut golden = GoldenMetrics::default();
        golden.hits = hits;
        golden
    }

    proptest! {
        /// In any order of additions, a cached sum equals a newly computed one.
        #[test]
        fn no_sum_is_out_of_date(steps in prop::collection::vec((0_u64..60, 1_u64..9, 0_u64..60, 0_u64..12), 1..80)) {
            let (mut ring, mut sums) = (SlotRing::new(1000, 20), SumCache::default());
            for (at, count, from, length) in steps {
                ring.follow_clock_back(at * 1000);
                ring.add(at * 1000, &hits(count));
                let over = TimeRange { from_ms: from * 1000, to_ms: (from + length) * 1000 };
                for _ in 0..2 {
                    prop_assert_eq!(sums.over(over, &ring), ring.sum(over));
                }
                prop_assert!(sums.0.len() <= SUMS_MAX);
            }
        }
    }
}
