//! Which slots a window covers, and the window before it.

use std::time::Duration;

/// A stretch of time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its first millisecond.
    pub from_ms: u64,
    /// The first millisecond after it.
    pub to_ms: u64,
}

impl Stretch {
    /// The last so many whole seconds and the one that is running.
    ///
    /// Counts of the running second count as well as the part of it that is over, so that a rate does not lag.
    pub fn last(window: Duration, now_ms: u64) -> Self {
        let second = now_ms / 1000;
        Self { from_ms: second.saturating_sub(window.as_secs()) * 1000, to_ms: (second + 1) * 1000 }
    }

    /// The window of the same length before [`Stretch::last`].
    pub fn before(window: Duration, now_ms: u64) -> Self {
        let to_ms = Self::last(window, now_ms).from_ms;
        Self { from_ms: to_ms.saturating_sub(window.as_secs() * 1000), to_ms }
    }

    /// The last so many steps that are over, so that a chart's last step is as long as its others.
    pub fn steps(step_ms: u64, steps: usize, now_ms: u64) -> Self {
        let to_ms = now_ms / step_ms * step_ms;
        Self { from_ms: to_ms.saturating_sub(step_ms * steps as u64), to_ms }
    }

    /// How many seconds of it have passed at `now_ms`, for something that began at `started_ms`.
    pub fn covered_s(self, started_ms: u64, now_ms: u64) -> f64 {
        self.to_ms.min(now_ms).saturating_sub(self.from_ms.max(started_ms)) as f64 / 1000.0
    }
}
