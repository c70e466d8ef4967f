//! Converts monotonic instants to wall-clock time without reading the wall clock for each exchange.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The same instant by both clocks. It is read again about every second, so that a corrected wall clock
/// applies to all exchanges from then on. Clocks are corrected at boot or after sleep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockAnchor {
    at: Instant,
    unix_ms: u64,
}

impl ClockAnchor {
    /// Reads both clocks.
    pub(crate) fn read() -> Self {
        let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        Self { at: Instant::now(), unix_ms }
    }

    /// The wall-clock time of a recent instant, in milliseconds since the Unix epoch.
    pub(crate) fn unix_ms(&self, at: Instant) -> u64 {
        match at.checked_duration_since(self.at) {
            Some(since) => self.unix_ms + since.as_millis() as u64,
            None => self.unix_ms.saturating_sub((self.at - at).as_millis() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_instant_before_the_anchor_is_converted_as_well_as_one_after() {
        let second = Duration::from_secs(1);
        let before = Instant::now();
        let at = before + second;
        let wall = ClockAnchor { at, unix_ms: 1_763_647_200_000 };
        let reported = [before, at, at + second].map(|at| wall.unix_ms(at));
        assert_eq!(reported, [1_763_647_199_000, 1_763_647_200_000, 1_763_647_201_000]);
        assert_eq!(ClockAnchor { at, unix_ms: 500 }.unix_ms(before), 0);
    }
}
