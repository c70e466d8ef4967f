//! Counts of long reports: each is one entry, and is divided evenly only when a part of it is read.

use mesh::golden::GoldenMetrics;

use crate::counts::packed_metrics::PackedMetrics;
use crate::counts::timeline::apportion::Fraction;
use crate::counts::timeline::counted_span::CountedSpan;
use crate::counts::timeline::time_range::TimeRange;

/// Entries kept. After a disconnect of a minute, a fleet sends one long report per pod. Over this
/// limit, the two neighbours that together span the shortest time are merged.
const ENTRIES_MAX: usize = 128;

/// The entries, ordered by start.
#[derive(Debug, Default)]
pub(super) struct Coarse {
    entries: Vec<CoarseEntry>,
    /// Bytes of the packed entries.
    bytes: usize,
    /// Incremented whenever an entry is added or removed.
    revisions: u64,
}

#[derive(Debug)]
struct CoarseEntry {
    from_ms: u64,
    to_ms: u64,
    golden: PackedMetrics,
}

impl Coarse {
    /// Adds counts of a long report. The part before `since_ms` is dropped.
    pub(super) fn add(&mut self, span: CountedSpan, since_ms: u64, golden: &GoldenMetrics) {
        let CountedSpan { from_ms, to_ms } = span;
        let at_ms = from_ms.max(since_ms);
        if at_ms >= to_ms {
            return;
        }
        let part = Fraction { from: at_ms - from_ms, to: to_ms - from_ms, of: to_ms - from_ms };
        let golden = part.metrics(golden);
        if golden == GoldenMetrics::default() {
            return;
        }
        self.insert(CoarseEntry { from_ms: at_ms, to_ms, golden: PackedMetrics::new(&golden) });
        if self.entries.len() > ENTRIES_MAX {
            self.join_closest();
        }
    }

    /// Adds the part within the range to a sum.
    pub(super) fn add_to(&self, range: TimeRange, sum: &mut GoldenMetrics) {
        self.each_part(range, |_, golden| sum.merge(golden));
    }

    /// Calls `see` with the part of each entry within the range, and where that part is.
    pub(super) fn each_part(&self, range: TimeRange, mut see: impl FnMut(TimeRange, &GoldenMetrics)) {
        let overlapping = self.entries.iter().take_while(|entry| entry.from_ms < range.to_ms);
        for entry in overlapping.filter(|entry| entry.to_ms > range.from_ms) {
            let (from_ms, to_ms) = (range.from_ms.max(entry.from_ms), range.to_ms.min(entry.to_ms));
            let of = entry.to_ms - entry.from_ms;
            let part = Fraction { from: from_ms - entry.from_ms, to: to_ms - entry.from_ms, of };
            see(TimeRange { from_ms, to_ms }, &part.metrics(&entry.golden.unpack()));
        }
    }

    /// Adds the entries of another collection.
    pub(super) fn merge(&mut self, other: &Self) {
        for entry in &other.entries {
            self.add(CountedSpan { from_ms: entry.from_ms, to_ms: entry.to_ms }, 0, &entry.golden.unpack());
        }
    }

    /// Drops entries that ended before `from_ms`, and entries that end after `until_ms`: then the
    /// clock was set back.
    pub(super) fn keep(&mut self, from_ms: u64, until_ms: u64) {
        let (before, mut bytes) = (self.entries.len(), 0);
        self.entries.retain(|entry| {
            let stays = entry.to_ms > from_ms && entry.to_ms <= until_ms;
            bytes += if stays { 0 } else { entry.golden.bytes() };
            stays
        });
        if self.entries.len() != before {
            self.bytes -= bytes;
            self.revisions += 1;
            self.entries.shrink_to_fit();
        }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.entries.capacity() * size_of::<CoarseEntry>()
    }

    /// Changes whenever an entry is added or removed.
    pub(super) fn revisions(&self) -> u64 {
        self.revisions
    }

    fn insert(&mut self, entry: CoarseEntry) {
        let place = self.entries.partition_point(|known| known.from_ms <= entry.from_ms);
        self.bytes += entry.golden.bytes();
        self.revisions += 1;
        self.entries.reserve_exact(1);
        self.entries.insert(place, entry);
    }

    /// Merges the two neighbours that together span the shortest time.
    fn join_closest(&mut self) {
        let spans = |pair: &[CoarseEntry]| pair[0].to_ms.max(pair[1].to_ms) - pair[0].from_ms;
        let Some(place) = (1..self.entries.len()).min_by_key(|place| spans(&self.entries[place - 1..=*place])) else { return };
        let (later, earlier) = (self.entries.remove(place), self.entries.remove(place - 1));
        self.bytes -= later.golden.bytes() + earlier.golden.bytes();
        let mut golden = earlier.golden.unpack();
        later.golden.add_to(&mut golden);
        self.insert(CoarseEntry {
            from_ms: earlier.from_ms,
            to_ms: earlier.to_ms.max(later.to_ms),
            golden: PackedMetrics::new(&golden),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn hits(hits: u64) -> GoldenMetrics {
        let mut golden = GoldenMetrics::default();
        golden.hits = hits;
        golden
    }

    fn within(coarse: &Coarse, from_ms: u64, to_ms: u64) -> u64 {
        let mut sum = GoldenMetrics::default();
        coarse.add_to(TimeRange { from_ms, to_ms }, &mut sum);
        sum.hits
    }

    #[test]
    fn an_hour_is_one_entry_and_its_parts_add_up() {
        let mut coarse = Coarse::default();
        coarse.add(CountedSpan { from_ms: HOUR_MS, to_ms: 2 * HOUR_MS }, 0, &hits(3601));
        assert_eq!((coarse.entries.len(), within(&coarse, 0, 9 * HOUR_MS)), (1, 3601));
        assert!(coarse.bytes() < 100, "{}", coarse.bytes());
        let parts = (0..360).map(|part| within(&coarse, HOUR_MS + part * 10_000, HOUR_MS + (part + 1) * 10_000));
        assert_eq!(parts.sum::<u64>(), 3601);
        assert_eq!(within(&coarse, HOUR_MS, HOUR_MS + 60_000), 60);
    }

    #[test]
    fn however_many_there_are_they_stay_few_and_lose_nothing() {
        let mut coarse = Coarse::default();
        for pod in 0..1000 {
            coarse.add(CountedSpan { from_ms: HOUR_MS + pod, to_ms: HOUR_MS + 60_000 + pod }, 0, &hits(7));
        }
        assert_eq!((coarse.entries.len(), within(&coarse, 0, 2 * HOUR_MS)), (ENTRIES_MAX, 7000));
        coarse.keep(2 * HOUR_MS, 9 * HOUR_MS);
        assert_eq!(coarse.bytes(), 0);
    }

    #[test]
    fn what_was_before_the_beginning_is_dropped() {
        let mut coarse = Coarse::default();
        coarse.add(CountedSpan { from_ms: 0, to_ms: HOUR_MS }, HOUR_MS / 2, &hits(100));
        assert_eq!(within(&coarse, 0, HOUR_MS), 50);
        coarse.add(CountedSpan { from_ms: 0, to_ms: HOUR_MS }, HOUR_MS, &hits(100));
        assert_eq!(coarse.entries.len(), 1);
    }
}
