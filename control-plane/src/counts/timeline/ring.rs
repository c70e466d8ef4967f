//! A ring of the newest time slots of one length, packed as on disk; a slot without requests takes no memory.

use std::cmp::Ordering;

use mesh::golden::GoldenMetrics;

use crate::counts::packed_metrics::USUAL_BYTES;
use crate::counts::timeline::ring::slots::{Slot, Slots};
use crate::counts::timeline::time_range::TimeRange;
use crate::store::codec;

mod slots;

/// Consecutive slots up to the newest; older slots than the ring's length are dropped.
#[derive(Debug)]
pub struct SlotRing {
    step_ms: u64,
    length: usize,
    /// The slots with counts, oldest first, each as a [`Slot`] is written. In one piece a slot of one request takes
    /// twenty-five bytes; with an allocation of its own, it would take seventy.
    slots: Vec<u8>,
    /// Where the oldest slot that is not dropped begins in `slots`.
    first: usize,
    /// The number that the distance of that slot counts from.
    base: u64,
    /// Where the newest slot with counts begins in `slots`.
    last: usize,
    /// The number of the newest slot with counts.
    last_number: u64,
    /// The number of the newest slot: its time in steps since the Unix epoch.
    newest: u64,
    /// Incremented whenever a slot other than the newest changes.
    revisions: u64,
}

/// Reads single slots of a ring, in the order of their time.
#[derive(Debug)]
pub struct SlotCursor<'a> {
    step_ms: u64,
    next: Option<Slot<'a>>,
    later: Slots<'a>,
}

impl SlotRing {
    /// Creates a ring of `slots` slots of `step_ms`.
    pub fn new(step_ms: u64, slots: usize) -> Self {
        let (first, base, last, last_number, newest, revisions) = (0, 0, 0, 0, 0, 0);
        Self { step_ms, length: slots, slots: Vec::new(), first, base, last, last_number, newest, revisions }
    }

    /// Adds to the slot of `at_ms`; counts that are too old for the ring are dropped.
    pub fn add(&mut self, at_ms: u64, golden: &GoldenMetrics) {
        let number = at_ms / self.step_ms;
        self.advance_to(number);
        if !self.holds(number) {
            return;
        }
        self.revisions += u64::from(number < self.newest);
        if self.slots.is_empty() || number > self.last_number {
            self.append(number, golden);
        } else if number == self.last_number {
            let mut sum = golden.clone();
            self.last_slot().add_to(&mut sum);
            self.remove_last();
            self.append(number, &sum);
        } else {
            self.insert(number, golden);
        }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.slots.capacity()
    }

    /// Adds the slots of another ring with the same step.
    pub fn merge(&mut self, other: &Self) {
        let mut golden = GoldenMetrics::default();
        for slot in other.slots() {
            golden.renew();
            slot.add_to(&mut golden);
            self.add(slot.number * self.step_ms, &golden);
        }
    }

    /// A reader of single slots, from the oldest on.
    pub fn cursor(&self) -> SlotCursor<'_> {
        let mut later = self.slots();
        SlotCursor { step_ms: self.step_ms, next: later.next(), later }
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
        let (from, to) = (stretch.from_ms / self.step_ms, stretch.to_ms.div_ceil(self.step_ms));
        if stretch.from_ms < stretch.to_ms && from <= self.last_number {
            let slots = self.slots().skip_while(|slot| slot.number < from).take_while(|slot| slot.number < to);
            slots.for_each(|slot| slot.add_to(&mut sum));
        }
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

    fn slots(&self) -> Slots<'_> {
        Slots { rest: &self.slots[self.first..], base: self.base }
    }

    /// The newest slot with counts; there must be one.
    fn last_slot(&self) -> Slot<'_> {
        let mut last = Slots { rest: &self.slots[self.last..], base: 0 };
        Slot { number: self.last_number, ..last.next().expect("there is a newest slot") }
    }

    fn advance_to(&mut self, number: u64) {
        if number <= self.newest {
            return;
        }
        self.newest = number;
        let mut kept = self.slots();
        let is_too_old = |slot: Slot<'_>| number - slot.number >= self.length as u64;
        while kept.clone().next().is_some_and(is_too_old) {
            kept.next();
        }
        let (rest, base) = (kept.rest.len(), kept.base);
        (self.first, self.base) = (self.slots.len() - rest, base);
        if rest == 0 {
            self.clear();
        } else if self.first > rest / 4 {
            // Moving the others takes time, so dropped slots stay until they are a fifth of all.
            self.slots.drain(..self.first);
            self.slots.shrink_to(rest + rest / 4);
            (self.first, self.last) = (0, self.last - self.first);
        }
    }

    fn clear(&mut self) {
        (self.slots, self.first, self.last) = (Vec::new(), 0, 0);
    }

    /// Adds a slot that is newer than all others.
    fn append(&mut self, number: u64, golden: &GoldenMetrics) {
        let mut packed = Vec::with_capacity(USUAL_BYTES);
        codec::write(golden, &mut packed);
        self.push(Slot { number, packed: &packed });
    }

    fn push(&mut self, slot: Slot<'_>) {
        if self.slots.is_empty() {
            (self.base, self.last_number) = (slot.number, slot.number);
        }
        let written = slot.written(self.last_number);
        if self.slots.capacity() - self.slots.len() < written.len() {
            // Most endpoints are quiet, and have one slot.
            self.slots.reserve_exact(written.len().max(self.slots.len() / 4));
        }
        (self.last, self.last_number) = (self.slots.len(), slot.number);
        self.slots.extend_from_slice(&written);
    }

    fn remove_last(&mut self) {
        let mut last = Slots { rest: &self.slots[self.last..], base: 0 };
        self.last_number -= last.next().map_or(0, |slot| slot.number);
        self.slots.truncate(self.last);
    }

    /// Adds counts to a slot that is older than the newest. It happens when slots come from the store, and when a clock
    /// is set back, so writing all slots anew is cheap enough.
    fn insert(&mut self, number: u64, golden: &GoldenMetrics) {
        let mut sum = golden.clone();
        let mut changed = Self { newest: self.newest, revisions: self.revisions, ..Self::new(self.step_ms, self.length) };
        let (mut earlier, mut later) = (Vec::new(), Vec::new());
        for slot in self.slots() {
            match slot.number.cmp(&number) {
                Ordering::Less => earlier.push(slot),
                Ordering::Equal => slot.add_to(&mut sum),
                Ordering::Greater => later.push(slot),
            }
        }
        for slot in earlier {
            changed.push(slot);
        }
        changed.append(number, &sum);
        for slot in later {
            changed.push(slot);
        }
        *self = changed;
    }

    fn holds(&self, number: u64) -> bool {
        number <= self.newest && self.newest - number < self.length as u64
    }
}

impl SlotCursor<'_> {
    /// Adds the slot that contains `at_ms` to a sum; returns whether that slot has counts. Each call must be for the
    /// same slot as the one before, or a later one.
    pub fn add_slot(&mut self, at_ms: u64, sum: &mut GoldenMetrics) -> bool {
        let number = at_ms / self.step_ms;
        while self.next.is_some_and(|slot| slot.number < number) {
            self.next = self.later.next();
        }
        let found = self.next.filter(|slot| slot.number == number);
        found.inspect(|slot| slot.add_to(sum)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(ring: &SlotRing, at_ms: u64) -> Option<u64> {
        let mut golden = GoldenMetrics::default();
        ring.cursor().add_slot(at_ms, &mut golden).then_some(golden.hits)
    }

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

        let seen: Vec<_> = (9..=14).map(|second| at(&ring, second * 1000).unwrap_or(0)).collect();
        assert_eq!(seen, [0, 0, 111, 12, 13, 0]);
    }

    #[test]
    fn a_clock_that_is_set_back_far_begins_anew_and_one_that_is_set_back_a_little_does_not() {
        let mut ring = SlotRing::new(1000, 3);
        ring.add(1_000_000, &hits(1));
        ring.follow_clock_back(998_000);
        ring.add(998_000, &hits(2));
        assert_eq!(at(&ring, 1_000_000), Some(1));
        assert_eq!(at(&ring, 998_000), Some(2));

        ring.follow_clock_back(5000);
        ring.add(5000, &hits(3));
        assert_eq!((at(&ring, 1_000_000).is_some(), at(&ring, 5000)), (false, Some(3)));
    }

    #[test]
    fn a_long_silence_clears_everything() {
        let mut ring = SlotRing::new(1000, 3);
        ring.add(5000, &hits(1));
        ring.add(1_000_000, &hits(2));
        assert_eq!(ring.slots().count(), 1);
        assert!((1..200).contains(&ring.bytes()), "{}", ring.bytes());
        assert_eq!(at(&ring, 1_000_000), Some(2));
        (1001..=1003).for_each(|second| ring.advance_to_ms(second * 1000));
        assert_eq!(ring.bytes(), 0, "it takes nothing when nothing has happened");
    }

    proptest! {
        /// A ring holds what a table of its newest slots holds, in any order of additions.
        #[test]
        fn it_holds_what_a_table_holds(steps in prop::collection::vec((0_u64..80, 1_u64..500), 1..120)) {
            const LENGTH: usize = 20;
            let (mut ring, mut table, mut newest) = (SlotRing::new(1000, LENGTH), BTreeMap::<u64, u64>::new(), 0);
            for (number, count) in steps {
                ring.add(number * 1000, &hits(count));
                newest = newest.max(number);
                *table.entry(number).or_default() += count;
                table.retain(|number, _| newest - *number < LENGTH as u64);
                let mut cursor = ring.cursor();
                for second in 0..81 {
                    let mut golden = GoldenMetrics::default();
                    let is_there = cursor.add_slot(second * 1000, &mut golden);
                    prop_assert_eq!(is_there.then_some(golden.hits), table.get(&second).copied());
                }
                let (from, to) = (newest.saturating_sub(7), newest + 1);
                let sum: u64 = table.range(from..to).map(|(_, count)| count).sum();
                prop_assert_eq!(ring.sum(TimeRange { from_ms: from * 1000, to_ms: to * 1000 }).hits, sum);
                prop_assert!(ring.bytes() <= 2 * table.len() * 8 + 16, "{} bytes for {}", ring.bytes(), table.len());
            }
        }
    }
}
