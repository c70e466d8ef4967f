//! A ring of the newest time slots of one length, packed as on disk; a slot without requests takes no memory.

use std::collections::VecDeque;

use mesh::golden::GoldenMetrics;

use crate::counts::timeline::time_range::TimeRange;
use crate::store::codec;

/// Bytes that the allocator needs per slot besides its contents.
const ALLOCATION_BYTES: usize = 16;

/// Consecutive slots up to the newest; older slots than the ring's length are dropped.
#[derive(Debug)]
pub struct SlotRing {
    step_ms: u64,
    length: usize,
    /// Slots with counts, oldest first.
    slots: VecDeque<RingSlot>,
    /// Bytes of the packed slots.
    bytes: usize,
    /// The number of the newest slot: its time in steps since the Unix epoch.
    newest: u64,
    /// Incremented whenever a slot other than the newest changes.
    revisions: u64,
}

/// The counts of one step.
#[derive(Debug)]
struct RingSlot {
    number: u64,
    /// In the format of the store: a report of two latencies far apart takes sixty bytes packed,
    /// and four kilobytes unpacked.
    packed: Box<[u8]>,
}

impl SlotRing {
    /// Creates a ring of `slots` slots of `step_ms`.
    pub fn new(step_ms: u64, slots: usize) -> Self {
        Self { step_ms, length: slots, slots: VecDeque::new(), bytes: 0, newest: 0, revisions: 0 }
    }

    /// Adds to the slot of `at_ms`; counts that are too old for the ring are dropped.
    pub fn add(&mut self, at_ms: u64, golden: &GoldenMetrics) {
        let number = at_ms / self.step_ms;
        self.advance_to(number);
        if !self.holds(number) {
            return;
        }
        self.revisions += u64::from(number < self.newest);
        match self.find(number) {
            Ok(place) => {
                let slot = &mut self.slots[place];
                let mut sum = golden.clone();
                unpack(&slot.packed, &mut sum);
                self.bytes -= slot.packed.len();
                slot.packed = packed(&sum);
                self.bytes += slot.packed.len();
            }
            Err(place) => {
                let slot = RingSlot { number, packed: packed(golden) };
                self.bytes += slot.packed.len();
                if self.slots.is_empty() {
                    // Most endpoints are quiet, and have one slot.
                    self.slots.reserve_exact(1);
                }
                self.slots.insert(place, slot);
            }
        }
    }

    /// Bytes in memory: the slots and their contents.
    pub fn bytes(&self) -> usize {
        self.bytes + self.slots.len() * ALLOCATION_BYTES + self.slots.capacity() * size_of::<RingSlot>()
    }

    /// Adds the slots of another ring with the same step.
    pub fn merge(&mut self, other: &Self) {
        let mut golden = GoldenMetrics::default();
        for slot in &other.slots {
            golden.renew();
            unpack(&slot.packed, &mut golden);
            self.add(slot.number * self.step_ms, &golden);
        }
    }

    /// Returns the counts of the slot that contains `at_ms`.
    pub fn slot(&self, at_ms: u64) -> Option<GoldenMetrics> {
        let mut golden = GoldenMetrics::default();
        self.add_slot(at_ms, &mut golden).then_some(golden)
    }

    /// Adds the slot that contains `at_ms` to a sum; returns whether that slot has counts.
    pub fn add_slot(&self, at_ms: u64, sum: &mut GoldenMetrics) -> bool {
        let number = at_ms / self.step_ms;
        match self.find(number) {
            Ok(place) if self.holds(number) => {
                unpack(&self.slots[place].packed, sum);
                true
            }
            _ => false,
        }
    }

    /// Returns whether the slot that contains `at_ms` is kept, or is in the future.
    pub fn reaches(&self, at_ms: u64) -> bool {
        let number = at_ms / self.step_ms;
        number > self.newest || self.holds(number)
    }

    /// Advances to `at_ms`, and drops slots that are then too old.
    pub fn advance_to_ms(&mut self, at_ms: u64) {
        self.advance_to(at_ms / self.step_ms);
    }

    /// Handles a clock that was set back. If all slots of the ring are in the future at `now_ms`,
    /// they are dropped. Otherwise new counts would be too old for as long as the clock was ahead.
    pub fn follow_clock_back(&mut self, now_ms: u64) {
        let number = now_ms / self.step_ms;
        if self.newest.saturating_sub(number) >= self.length as u64 {
            self.clear();
            self.newest = number;
            self.revisions += 1;
        }
    }

    /// Returns the sum of the slots over a range of whole steps.
    pub fn sum(&self, stretch: TimeRange) -> GoldenMetrics {
        let mut sum = GoldenMetrics::default();
        if stretch.from_ms >= stretch.to_ms {
            return sum;
        }
        let (from, to) = (stretch.from_ms / self.step_ms, stretch.to_ms.div_ceil(self.step_ms));
        let first = self.slots.partition_point(|slot| slot.number < from);
        let slots = self.slots.range(first..).take_while(|slot| slot.number < to);
        slots.for_each(|slot| unpack(&slot.packed, &mut sum));
        sum
    }

    /// Returns whether all slots of a range are kept, and are older than the newest, which may
    /// still grow.
    pub fn is_settled(&self, stretch: TimeRange) -> bool {
        self.holds(stretch.from_ms / self.step_ms) && stretch.to_ms <= self.newest * self.step_ms
    }

    /// Changes whenever a slot other than the newest changes.
    pub fn revisions(&self) -> u64 {
        self.revisions
    }

    fn advance_to(&mut self, number: u64) {
        if number <= self.newest {
            return;
        }
        self.newest = number;
        while self.slots.front().is_some_and(|slot| number - slot.number >= self.length as u64) {
            self.bytes -= self.slots.pop_front().map_or(0, |slot| slot.packed.len());
        }
        if self.slots.is_empty() {
            self.clear();
        } else if self.slots.capacity() > 2 * self.slots.len() + 8 {
            self.slots.shrink_to_fit();
        }
    }

    fn clear(&mut self) {
        (self.slots, self.bytes) = (VecDeque::new(), 0);
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        match self.slots.back() {
            Some(newest) if newest.number == number => Ok(self.slots.len() - 1),
            Some(newest) if newest.number > number => self.slots.binary_search_by_key(&number, |slot| slot.number),
            _ => Err(self.slots.len()),
        }
    }

    fn holds(&self, number: u64) -> bool {
        number <= self.newest && self.newest - number < self.length as u64
    }
}

/// Packs counts in the format of the store.
pub(super) fn packed(golden: &GoldenMetrics) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(128);
    codec::write(golden, &mut bytes);
    bytes.into_boxed_slice()
}

/// Adds the output of [`packed`] to a sum.
pub(super) fn unpack(packed: &[u8], sum: &mut GoldenMetrics) {
    codec::add(packed, sum).expect("it was written here");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(hits: u64) -> GoldenMetrics {
        let mut golden = GoldenMetrics::default();
        golden.hits = hits;
        golden
    }

    #[test]
    fn the_newest_slot_takes_the_place_of_the_oldest() {
        let mut ring = SlotRing::new(1000, 3);
        for second in 10..=13 {
            ring.add(second * 1000 + 500, &hits(second));
        }
        ring.add(11_999, &hits(100));
        ring.add(10_999, &hits(1000));

        let seen: Vec<_> = (9..=14).map(|second| ring.slot(second * 1000).map_or(0, |slot| slot.hits)).collect();
        assert_eq!(seen, [0, 0, 111, 12, 13, 0]);
    }

    #[test]
    fn a_clock_that_is_set_back_far_begins_anew_and_one_that_is_set_back_a_little_does_not() {
        let mut ring = SlotRing::new(1000, 3);
        ring.add(1_000_000, &hits(1));
        ring.follow_clock_back(998_000);
        ring.add(998_000, &hits(2));
        assert_eq!(ring.slot(1_000_000).map(|slot| slot.hits), Some(1));
        assert_eq!(ring.slot(998_000).map(|slot| slot.hits), Some(2));

        ring.follow_clock_back(5000);
        ring.add(5000, &hits(3));
        assert_eq!((ring.slot(1_000_000).is_some(), ring.slot(5000).map(|slot| slot.hits)), (false, Some(3)));
    }

    #[test]
    fn a_long_silence_clears_everything() {
        let mut ring = SlotRing::new(1000, 3);
        ring.add(5000, &hits(1));
        ring.add(1_000_000, &hits(2));
        assert_eq!(ring.slots.len(), 1);
        assert!((1..200).contains(&ring.bytes()), "{}", ring.bytes());
        assert_eq!(ring.slot(1_000_000).map(|slot| slot.hits), Some(2));
        (1001..=1003).for_each(|second| ring.advance_to_ms(second * 1000));
        assert_eq!(ring.bytes(), 0, "it takes nothing when nothing has happened");
    }
}
