//! The backoff between dials: short after a good stream, and longer after each failure.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The first wait before dialling again; jitter at most doubles it.
pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(200);

/// The longest wait. Jitter at most doubles it to ten seconds, which spreads a fleet that reconnects all at once.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A shorter stream was closed as soon as it was open, and must not be opened five times a second.
const GOOD_STREAM_MIN: Duration = Duration::from_secs(1);

/// The waits between dials.
#[derive(Debug)]
pub(super) struct Backoff {
    backoff: ExponentialBackoff,
    waited: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        let backoff = ExponentialBuilder::new().with_min_delay(BACKOFF_MIN).with_max_delay(BACKOFF_MAX);
        Self { backoff: backoff.with_jitter().without_max_times().build(), waited: Duration::ZERO }
    }

    /// Resets the backoff if the stream that has ended lasted at least as long as the wait before it. So after each
    /// restart of an often restarted control plane, the gap is about as long as its own downtime.
    pub(super) fn stream_lasted(&mut self, lasted: Duration) {
        if lasted >= self.waited.max(GOOD_STREAM_MIN) {
            *self = Self::new();
        }
    }

    /// How long to wait now.
    pub(super) fn wait(&mut self) -> Duration {
        self.waited = self.backoff.next().expect("the backoff never gives up: it has no maximum of attempts");
        self.waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_plane_that_is_away_is_dialled_ever_less_often() {
        let mut backoff = Backoff::new();
        let waits: Vec<Duration> = (0..8).map(|_| backoff.wait()).collect();
        assert!(waits[0] <= 2 * BACKOFF_MIN && waits[7] >= BACKOFF_MAX && waits[7] <= 2 * BACKOFF_MAX, "{waits:?}");
    }

    #[test]
    fn one_that_is_restarted_over_and_over_is_found_again_at_once() {
        let mut backoff = Backoff::new();
        for _ in 0..20 {
            // Away for about a second, and there for a little longer than the last wait took.
            let away: Duration = (0..3).map(|_| backoff.wait()).max().unwrap();
            backoff.stream_lasted(away.max(GOOD_STREAM_MIN));
            let first = backoff.wait();
            assert!(first <= 2 * BACKOFF_MIN, "{first:?}");
            backoff.stream_lasted(GOOD_STREAM_MIN);
        }
    }

    #[test]
    fn streams_that_are_closed_at_once_are_no_reason_to_hurry() {
        let mut backoff = Backoff::new();
        for _ in 0..8 {
            backoff.wait();
            backoff.stream_lasted(Duration::from_millis(50));
        }
        assert!(backoff.wait() >= BACKOFF_MAX);
        backoff.stream_lasted(GOOD_STREAM_MIN);
        assert!(backoff.wait() >= BACKOFF_MAX, "a second was not worth a wait of five");
    }
}
