//! The newest slots of time, each of one length; a quiet slot costs the eight bytes of an empty pointer.

use mesh::golden::GoldenMetrics;

use crate::timeline::stretch::Stretch;

/// Slots in a circle, so that the newest takes the place of the oldest.
#[derive(Debug)]
pub struct Ring {
    step_ms: u64,
    length: usize,
    /// None at all as long as nothing has happened in them.
    slots: Box<[Option<Box<GoldenMetrics>>]>,
    /// What they take.
    bytes: usize,
    /// The number of the newest slot: its time in steps since the Unix epoch.
    newest: u64,
    /// Counts up whenever a slot changes that is not the newest.
    revisions: u64,
}

impl Ring {
    /// A ring of `slots` slots of `step_ms`.
    pub fn new(step_ms: u64, slots: usize) -> Self {
        Self { step_ms, length: slots, slots: Box::default(), bytes: 0, newest: 0, revisions: 0 }
    }

    /// Adds to the slot of `at_ms`; what is older than the ring is long is let go.
    pub fn add(&mut self, at_ms: u64, golden: &GoldenMetrics) {
        let number = at_ms / self.step_ms;
        self.advance_to(number);
        if self.holds(number) {
            self.revisions += u64::from(number < self.newest);
            if self.slots.is_empty() {
                self.slots = (0..self.length).map(|_| None).collect();
            }
            let place = self.place(number);
            let before = weight(self.slots[place].as_deref());
            self.slots[place].get_or_insert_default().merge(golden);
            self.bytes = self.bytes - before + weight(self.slots[place].as_deref());
        }
    }

    /// What it takes in memory: its slots, and what is in them.
    pub fn bytes(&self) -> usize {
        self.bytes + self.slots.len() * size_of::<Option<Box<GoldenMetrics>>>()
    }

    /// Adds what another ring of the same step remembers.
    pub fn merge(&mut self, other: &Self) {
        for number in (other.newest + 1).saturating_sub(other.slots.len() as u64)..=other.newest {
            if let Some(golden) = &other.slots[other.place(number)] {
                self.add(number * self.step_ms, golden);
            }
        }
    }

    /// What happened in the slot that begins at `at_ms`.
    pub fn slot(&self, at_ms: u64) -> Option<&GoldenMetrics> {
        let number = at_ms / self.step_ms;
        if !self.holds(number) {
            return None;
        }
        self.slots.get(self.place(number))?.as_deref()
    }

    /// Whether the slot that begins at `at_ms` is remembered, or is yet to come.
    pub fn reaches(&self, at_ms: u64) -> bool {
        let number = at_ms / self.step_ms;
        number > self.newest || self.holds(number)
    }

    /// Time has come so far: what has not been added by now did not happen.
    pub fn reach(&mut self, at_ms: u64) {
        self.advance_to(at_ms / self.step_ms);
    }

    /// The clock says this now. If it was set back so far that nothing which is remembered can have happened, that is let
    /// go: what comes from now on would else be too old for as long as the clock was ahead.
    pub fn turn_back(&mut self, now_ms: u64) {
        let number = now_ms / self.step_ms;
        if self.newest.saturating_sub(number) >= self.length as u64 {
            self.clear();
            self.newest = number;
            self.revisions += 1;
        }
    }

    /// What happened in the slots from one whole step to another.
    pub fn sum(&self, stretch: Stretch) -> GoldenMetrics {
        let mut sum = GoldenMetrics::default();
        let starts = (stretch.from_ms..stretch.to_ms).step_by(self.step_ms as usize);
        starts.filter_map(|at_ms| self.slot(at_ms)).for_each(|slot| sum.merge(slot));
        sum
    }

    /// Whether all slots of a stretch are remembered, and are older than the newest, which may still grow.
    pub fn is_settled(&self, stretch: Stretch) -> bool {
        self.holds(stretch.from_ms / self.step_ms) && stretch.to_ms <= self.newest * self.step_ms
    }

    /// A number that is another one when slots before the newest have become others.
    pub fn revisions(&self) -> u64 {
        self.revisions
    }

    fn advance_to(&mut self, number: u64) {
        if number <= self.newest {
            return;
        }
        // Of none, nothing has to be let go.
        let passed = (number - self.newest).min(self.slots.len() as u64);
        for passed in number + 1 - passed..=number {
            let place = self.place(passed);
            self.bytes -= weight(self.slots[place].take().as_deref());
        }
        if self.bytes == 0 {
            self.clear();
        }
        self.newest = number;
    }

    fn clear(&mut self) {
        (self.slots, self.bytes) = (Box::default(), 0);
    }

    fn holds(&self, number: u64) -> bool {
        number <= self.newest && self.newest - number < self.length as u64
    }

    fn place(&self, number: u64) -> usize {
        (number % self.length as u64) as usize
    }
}

fn weight(slot: Option<&GoldenMetrics>) -> usize {
    slot.map_or(0, GoldenMetrics::weight)
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
        let mut ring = Ring::new(1000, 3);
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
        let mut ring = Ring::new(1000, 3);
        ring.add(1_000_000, &hits(1));
        ring.turn_back(998_000);
        ring.add(998_000, &hits(2));
        assert_eq!(ring.slot(1_000_000).map(|slot| slot.hits), Some(1));
        assert_eq!(ring.slot(998_000).map(|slot| slot.hits), Some(2));

        ring.turn_back(5000);
        ring.add(5000, &hits(3));
        assert_eq!((ring.slot(1_000_000).is_some(), ring.slot(5000).map(|slot| slot.hits)), (false, Some(3)));
    }

    #[test]
    fn a_long_silence_clears_everything() {
        let mut ring = Ring::new(1000, 3);
        ring.add(5000, &hits(1));
        ring.add(1_000_000, &hits(2));
        assert!(ring.slots.iter().flatten().count() == 1);
        assert_eq!(ring.bytes(), 3 * 8 + hits(2).weight());
        assert_eq!(ring.slot(1_000_000).map(|slot| slot.hits), Some(2));
        (1001..=1003).for_each(|second| ring.reach(second * 1000));
        assert_eq!(ring.bytes(), 0, "it takes nothing when nothing has happened");
    }
}
