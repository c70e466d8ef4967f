//! What slots that are over add up to, remembered as long as none of them changes.

use mesh::golden::GoldenMetrics;

use crate::timeline::ring::Ring;
use crate::timeline::stretch::Stretch;

/// Sums that are kept: of a window and the one before it, for two windows that people look at. Each takes as much as a slot.
const SUMS_MAX: usize = 4;

/// The sums that were asked for last. A page asks for the same again for ten seconds, and adding thirty slots up for each of
/// a thousand endpoints is most of what it costs.
#[derive(Debug, Default)]
pub(super) struct Sums(Vec<Sum>);

#[derive(Debug)]
struct Sum {
    over: Stretch,
    revisions: u64,
    golden: GoldenMetrics,
}

impl Sums {
    /// The sum of the slots of a ring from one whole step to another.
    pub(super) fn over(&mut self, over: Stretch, ring: &Ring) -> GoldenMetrics {
        let revisions = ring.revisions();
        self.0.retain(|sum| sum.revisions == revisions);
        let is_settled = ring.is_settled(over);
        if let Some(known) = self.0.iter().find(|sum| sum.over == over).filter(|_| is_settled) {
            return known.golden.clone();
        }
        let golden = ring.sum(over);
        // An endpoint that is quiet needs no memory for that.
        if is_settled && !golden.is_empty() {
            self.0.retain(|sum| sum.over != over);
            if self.0.len() >= SUMS_MAX {
                self.0.remove(0);
            }
            self.0.push(Sum { over, revisions, golden: golden.clone() });
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
        /// Whatever is added, and in whatever order, a remembered sum is the one that would be worked out anew.
        #[test]
        fn no_sum_is_out_of_date(steps in prop::collection::vec((0_u64..60, 1_u64..9, 0_u64..60, 0_u64..12), 1..80)) {
            let (mut ring, mut sums) = (Ring::new(1000, 20), Sums::default());
            for (at, count, from, length) in steps {
                ring.turn_back(at * 1000);
                ring.add(at * 1000, &hits(count));
                let over = Stretch { from_ms: from * 1000, to_ms: (from + length) * 1000 };
                for _ in 0..2 {
                    prop_assert_eq!(sums.over(over, &ring), ring.sum(over));
                }
                prop_assert!(sums.0.len() <= SUMS_MAX);
            }
        }
    }
}
