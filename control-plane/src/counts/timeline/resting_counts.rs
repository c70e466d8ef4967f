//! Counts at rest, packed into one piece: of one report, or totals without anything recent.

use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::counts::packed_metrics::USUAL_BYTES;
use crate::counts::timeline::counted_span::CountedSpan;
use crate::store::codec::{self, Corrupt};

/// Packed [`RestingParts`]; by default nothing was counted. Each time is written as a varint, the earlier one as its
/// distance from the later one, and then the totals and the lost counts in the format of the store.
#[derive(Debug, Default)]
pub struct RestingCounts(Box<[u8]>);

/// Counts at rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestingParts {
    /// The time that all of it covers, if that may be recent.
    pub span: Option<CountedSpan>,
    /// The times of the first and last request.
    pub seen: Option<Seen>,
    /// All counts.
    pub totals: GoldenMetrics,
    /// Those of them that will never be on disk.
    pub lost: GoldenMetrics,
}

impl RestingCounts {
    /// Packs the counts of one report.
    pub fn of_report(span: CountedSpan, seen: Option<Seen>, golden: &GoldenMetrics) -> Self {
        Self::pack((Some(span), seen), golden, &GoldenMetrics::default())
    }

    /// Packs totals without anything recent.
    pub fn of_totals(seen: Option<Seen>, totals: &GoldenMetrics) -> Self {
        Self::pack((None, seen), totals, &GoldenMetrics::default())
    }

    /// Packs all parts.
    pub fn new(parts: &RestingParts) -> Self {
        Self::pack((parts.span, parts.seen), &parts.totals, &parts.lost)
    }

    fn pack((span, seen): (Option<CountedSpan>, Option<Seen>), totals: &GoldenMetrics, lost: &GoldenMetrics) -> Self {
        let (has_totals, has_lost) = (*totals != GoldenMetrics::default(), *lost != GoldenMetrics::default());
        if !has_totals && !has_lost && seen.is_none() {
            return Self::default();
        }
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        put_times(span.filter(|_| has_totals).map(|span| (span.from_ms, span.to_ms)), &mut bytes);
        put_times(seen.map(|seen| (seen.first_ms, seen.last_ms)), &mut bytes);
        codec::write(totals, &mut bytes);
        if has_lost {
            codec::write(lost, &mut bytes);
        }
        Self(bytes.into_boxed_slice())
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Unpacks them.
    pub fn unpack(&self) -> RestingParts {
        let mut parts = RestingParts::default();
        if !self.is_empty() {
            let mut bytes = &*self.0;
            parts.add(&mut bytes).expect("it was packed here");
        }
        parts
    }

    /// The times of the first and last request.
    pub fn seen(&self) -> Option<Seen> {
        self.unpack().seen
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl RestingParts {
    fn add(&mut self, bytes: &mut &[u8]) -> Result<(), Corrupt> {
        self.span = take_times(bytes)?.map(|(from_ms, to_ms)| CountedSpan { from_ms, to_ms });
        self.seen = take_times(bytes)?.map(|(first_ms, last_ms)| Seen { first_ms, last_ms });
        let lost = codec::add(bytes, &mut self.totals)?;
        if !lost.is_empty() {
            codec::add(lost, &mut self.lost)?;
        }
        Ok(())
    }
}

/// Writes an earlier and a later time, or that there are none.
fn put_times(times: Option<(u64, u64)>, into: &mut Vec<u8>) {
    let Some((earlier_ms, later_ms)) = times else { return into.push(0) };
    codec::put(later_ms.saturating_add(1), into);
    codec::put(later_ms.saturating_sub(earlier_ms), into);
}

fn take_times(bytes: &mut &[u8]) -> Result<Option<(u64, u64)>, Corrupt> {
    let Some(later_ms) = codec::take(bytes)?.checked_sub(1) else { return Ok(None) };
    let distance_ms = codec::take(bytes)?;
    Ok(Some((later_ms.saturating_sub(distance_ms), later_ms)))
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
        #[test]
        fn what_is_packed_is_unpacked(
            span in prop::option::of((0_u64..1 << 42, 0_u64..1 << 32)),
            seen in prop::option::of((0_u64..1 << 42, 0_u64..1 << 32)),
            (totals, lost) in (1_u64..1 << 50, 0_u64..1 << 50),
        ) {
            let parts = RestingParts {
                span: span.map(|(from_ms, length_ms)| CountedSpan { from_ms, to_ms: from_ms + length_ms }),
                seen: seen.map(|(first_ms, length_ms)| Seen { first_ms, last_ms: first_ms + length_ms }),
                totals: hits(totals),
                lost: hits(lost),
            };
            let packed = RestingCounts::new(&parts);
            prop_assert_eq!(packed.seen(), parts.seen);
            prop_assert_eq!(packed.unpack(), parts);
        }
    }

    #[test]
    fn nothing_takes_no_memory_and_one_request_takes_little() {
        let nothing = RestingCounts::new(&RestingParts::default());
        assert_eq!((nothing.is_empty(), nothing.bytes(), nothing.unpack()), (true, 0, RestingParts::default()));
        let mut one = hits(1);
        one.time(1000, 500);
        one.add_status(200, 1);
        let now_ms = 1_763_647_200_000;
        let one = RestingCounts::of_report(CountedSpan { from_ms: now_ms - 1000, to_ms: now_ms }, Some(Seen::at(now_ms)), &one);
        assert!(one.bytes() <= 40, "{}", one.bytes());
    }
}
