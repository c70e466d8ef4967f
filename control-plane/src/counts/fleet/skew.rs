//! Measures on a pod's stream how far the pod's clock differs from ours.

/// The longest round trip of a measurement that is trusted. A longer one means that our own clock
/// was set between the message and its answer.
const ROUND_TRIP_MAX_MS: i64 = 60_000;

/// Clocks that differ by less count as equal: a late report looks the same.
const TOLERATED_MS: i64 = 1_000;

/// The latest time that is accepted from any clock: the end of the year 9999, as in
/// [`mesh::window::SLOT_MAX`].
const LATEST_MS: u64 = 253_402_300_800_000;

/// The pod's clock minus ours, as a range in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    at_least_ms: i64,
    /// `None` if the sidecar does not report when it last received our time.
    at_most_ms: Option<i64>,
}

impl Skew {
    /// Measures from a report made at `at_ms` by the pod's clock that has arrived at `now_ms` by
    /// ours. A report is never made after it has arrived, and `control_ms`, our clock as the pod
    /// knew it, is never ahead of ours.
    pub fn from_report(at_ms: u64, control_ms: u64, now_ms: u64) -> Self {
        let at_ms = at_ms.min(LATEST_MS).cast_signed();
        let (now_ms, control_ms) = (now_ms.min(LATEST_MS).cast_signed(), control_ms.min(LATEST_MS).cast_signed());
        let is_believed = control_ms > 0 && (0..=ROUND_TRIP_MAX_MS).contains(&(now_ms - control_ms));
        Self { at_least_ms: at_ms - now_ms, at_most_ms: is_believed.then_some(at_ms - control_ms) }
    }

    /// The intersection of both measurements. If they exclude each other, a clock was set between
    /// them, and the newer one is returned.
    #[must_use]
    pub fn intersect(self, newer: Self) -> Self {
        let Some(at_most_ms) = self.at_most_ms else { return newer };
        let both = Self {
            at_least_ms: self.at_least_ms.max(newer.at_least_ms),
            at_most_ms: Some(newer.at_most_ms.map_or(at_most_ms, |newer_ms| newer_ms.min(at_most_ms))),
        };
        // A measurement without an upper bound may be late by a little, but not by minutes.
        let is_late = newer.at_most_ms.is_some() || newer.at_least_ms + ROUND_TRIP_MAX_MS >= self.at_least_ms;
        if is_late && both.at_most_ms.is_some_and(|at_most_ms| both.at_least_ms <= at_most_ms) { both } else { newer }
    }

    /// How far the pod's clock is ahead of ours, in milliseconds; negative if it is behind.
    pub fn offset_ms(self) -> i64 {
        self.at_most_ms.map_or(self.at_least_ms, |at_most_ms| self.at_least_ms.midpoint(at_most_ms))
    }

    /// The possible error of the offset: half the round trip; `None` if unknown.
    pub fn error_ms(self) -> Option<u64> {
        self.at_most_ms.map(|at_most_ms| (at_most_ms - self.at_least_ms).unsigned_abs().div_ceil(2))
    }

    /// Milliseconds to add to a time of the pod to get ours.
    pub fn correction_ms(self) -> i64 {
        let offset_ms = self.offset_ms();
        let is_equal = offset_ms.abs() <= TOLERATED_MS.max(self.error_ms().map_or(0, u64::cast_signed));
        if is_equal { 0 } else { -offset_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_763_647_200_000;
    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn the_difference_is_known_to_half_a_round_trip() {
        // 40 ms down, 60 ms up, and the pod is 10 s ahead.
        let skew = Skew::from_report(NOW_MS + 10_000 - 60, NOW_MS - 60 - 40, NOW_MS);
        assert_eq!((skew.offset_ms(), skew.error_ms()), (9_990, Some(50)));
        assert_eq!(skew.correction_ms(), -9_990);
        let alike = Skew::from_report(NOW_MS - 60, NOW_MS - 100, NOW_MS);
        assert_eq!(alike.correction_ms(), 0);
    }

    #[test]
    fn measurements_narrow_it_until_a_clock_is_set() {
        let slow = Skew::from_report(NOW_MS - 3_000, NOW_MS - 5_000, NOW_MS);
        let fast = Skew::from_report(NOW_MS - 4, NOW_MS - 10, NOW_MS);
        assert_eq!(slow.error_ms(), Some(2_500));
        assert_eq!(slow.intersect(fast).intersect(slow).error_ms(), Some(5));
        let set = Skew::from_report(NOW_MS + 2 * DAY_MS - 4, NOW_MS - 10, NOW_MS);
        assert_eq!(fast.intersect(set), set);
        assert_eq!(set.intersect(fast), fast);
    }

    #[test]
    fn an_older_sidecar_is_measured_by_the_arrival_of_its_reports() {
        let behind = Skew::from_report(NOW_MS - 30 * DAY_MS, 0, NOW_MS);
        assert_eq!((behind.offset_ms(), behind.error_ms()), (-30 * DAY_MS.cast_signed(), None));
        let right = Skew::from_report(NOW_MS - 200, 0, NOW_MS);
        assert_eq!(behind.intersect(right), right);
    }

    #[test]
    fn our_own_clock_may_be_set_and_no_time_is_too_strange() {
        let back = Skew::from_report(NOW_MS, NOW_MS + DAY_MS, NOW_MS);
        assert_eq!((back.offset_ms(), back.error_ms()), (0, None));
        let bounded = Skew::from_report(NOW_MS - 4, NOW_MS - 10, NOW_MS);
        assert!(bounded.intersect(back).error_ms().is_some(), "a late report without a bound takes nothing away");
        for at_ms in [0, u64::MAX] {
            let skew = Skew::from_report(at_ms, u64::MAX, NOW_MS);
            assert!(NOW_MS.saturating_add_signed(skew.offset_ms()).abs_diff(at_ms.min(LATEST_MS)) < 2);
        }
    }
}
