//! A sparkline of one series, cached until a slot in it changes.

use std::sync::Arc;

use crate::counts::timeline::time_range::TimeRange;
use crate::model::traffic::TrafficPoint;

/// The sparkline that was computed last. A new one starts with each whole step, which is five
/// seconds for a window of five minutes, and is made of three hundred slots.
#[derive(Debug)]
pub(super) struct CachedSparkline {
    pub(super) range: TimeRange,
    /// The revisions of the slots that it was computed from.
    pub(super) revisions: (u64, u64, u64),
    pub(super) steps: Arc<[TrafficPoint]>,
}

impl CachedSparkline {
    /// The steps, if they are of this range and no slot has changed since.
    pub(super) fn steps(&self, range: TimeRange, revisions: (u64, u64, u64), points: usize) -> Option<Arc<[TrafficPoint]>> {
        let is_valid = (self.range, self.revisions, self.steps.len()) == (range, revisions, points);
        is_valid.then(|| Arc::clone(&self.steps))
    }
}
