//! Counts events of a period that ends now, and how many of them were of a kind.

use std::time::{Duration, Instant};

/// Parts of a period. The oldest is dropped as a whole, so the counts cover between nine and ten tenths of it.
const PARTS: usize = 10;

/// The counts of a period that moves on with time.
#[derive(Debug)]
pub(super) struct SlidingWindow {
    part: Duration,
    parts: [Counts; PARTS],
    /// The part that is counted in, and when it began.
    current: usize,
    began: Instant,
}

/// Events, and those among them that were of the kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) all: u64,
    pub(super) of_kind: u64,
}

impl SlidingWindow {
    /// No events yet, in a period of this length.
    pub(super) fn new(period: Duration, now: Instant) -> Self {
        Self { part: (period / PARTS as u32).max(Duration::from_millis(1)), parts: Default::default(), current: 0, began: now }
    }

    /// The part for events of now.
    pub(super) fn now(&mut self, now: Instant) -> &mut Counts {
        let passed = now.saturating_duration_since(self.began).as_nanos() / self.part.as_nanos();
        for _ in 0..passed.min(PARTS as u128) {
            self.current = (self.current + 1) % PARTS;
            self.parts[self.current] = Counts::default();
        }
        if passed > 0 {
            let skipped = u32::try_from(passed).ok().and_then(|passed| self.part.checked_mul(passed));
            self.began = skipped.map_or(now, |skipped| self.began + skipped);
        }
        &mut self.parts[self.current]
    }

    /// The counts of the whole period.
    pub(super) fn sum(&mut self, now: Instant) -> Counts {
        self.now(now);
        self.parts
            .iter()
            .fold(Counts::default(), |sum, part| Counts { all: sum.all + part.all, of_kind: sum.of_kind + part.of_kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_the_window_after_its_period() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut window = SlidingWindow::new(Duration::from_secs(10), start);
        for second in 0..10 {
            window.now(at(second * 1000)).all += 1;
            window.now(at(second * 1000)).of_kind += second % 2;
        }
        assert_eq!(window.sum(at(9_999)), Counts { all: 10, of_kind: 5 });
        assert_eq!(window.sum(at(10_000)), Counts { all: 9, of_kind: 5 }, "the first second is over ten seconds ago");
        assert_eq!(window.sum(at(14_500)), Counts { all: 5, of_kind: 3 });
        assert_eq!(window.sum(at(3_600_000_000)), Counts::default());
        window.now(at(3_600_000_100)).all += 1;
        assert_eq!(window.sum(at(3_600_000_200)).all, 1, "a pause does not shift the parts");
        assert_eq!(window.sum(at(3_600_009_000)).all, 1);
        assert_eq!(window.sum(at(3_600_010_100)).all, 0);
    }
}
