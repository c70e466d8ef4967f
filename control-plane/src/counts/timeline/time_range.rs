//! Time ranges of whole seconds: the range of a window, and of the window before it.

use std::time::Duration;

/// A time range of whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first millisecond.
    pub from_ms: u64,
    /// The first millisecond after the end.
    pub to_ms: u64,
}

impl TimeRange {
    /// The last whole seconds and the running one.
    ///
    /// The running second is included, with the part of it that has passed, so that a rate does not
    /// lag.
    pub fn last(window: Duration, now_ms: u64) -> Self {
        let second = now_ms / 1000;
        Self { from_ms: second.saturating_sub(window.as_secs()) * 1000, to_ms: (second + 1) * 1000 }
    }

    /// The window of the same length before [`TimeRange::last`].
    pub fn before(window: Duration, now_ms: u64) -> Self {
        let to_ms = Self::last(window, now_ms).from_ms;
        Self { from_ms: to_ms.saturating_sub(window.as_secs() * 1000), to_ms }
    }

    /// The last `steps` complete steps, so that a chart's last step is as long as the others.
    pub fn steps(step_ms: u64, steps: usize, now_ms: u64) -> Self {
        let to_ms = now_ms / step_ms * step_ms;
        Self { from_ms: to_ms.saturating_sub(step_ms * steps as u64), to_ms }
    }

    /// Seconds of the range that have passed at `now_ms`, for an object that began at `started_ms`.
    pub fn covered_s(self, started_ms: u64, now_ms: u64) -> f64 {
        self.to_ms.min(now_ms).saturating_sub(self.from_ms.max(started_ms)) as f64 / 1000.0
    }
}
