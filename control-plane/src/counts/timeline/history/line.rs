//! A sparkline of one series, cached until a slot in it changes.

use std::sync::Arc;

use crate::counts::timeline::history::{Grain, SeriesHistory};
use crate::counts::timeline::resample::Sparks;
use crate::counts::timeline::time_range::TimeRange;
use crate::model::traffic::TrafficPoint;

/// The sparkline that was computed last. A new one starts with each whole step, which is five
/// seconds for a window of five minutes, and is made of three hundred slots.
#[derive(Debug)]
pub(super) struct SparkCache {
    range: TimeRange,
    revisions: (u64, u64, u64),
    steps: Arc<[TrafficPoint]>,
}

impl SeriesHistory {
    /// Returns the traffic of the range in `points` steps, oldest first.
    pub(in crate::counts::timeline) fn traffic(&mut self, range: TimeRange, points: usize) -> Arc<[TrafficPoint]> {
        let revisions = (self.short.revisions(), self.long.revisions(), self.coarse.revisions());
        let is_known = |line: &&SparkCache| (line.range, line.revisions, line.steps.len()) == (range, revisions, points);
        if let Some(line) = self.sparkline.as_ref().filter(is_known) {
            return Arc::clone(&line.steps);
        }
        let steps: Arc<[TrafficPoint]> = self.steps(range, points).into();
        let is_settled = self.short.is_settled(range) && steps.iter().any(|step| *step != TrafficPoint::default());
        self.sparkline = is_settled.then(|| SparkCache { range, revisions, steps: Arc::clone(&steps) });
        steps
    }

    fn steps(&self, range: TimeRange, points: usize) -> Vec<TrafficPoint> {
        let mut sparks = Sparks::new(points);
        let step_ms = (range.to_ms - range.from_ms).max(1) as f64 / points as f64;
        self.each_slot(range, Grain::Fine, |from_ms, length_ms, golden| {
            let from = from_ms.saturating_sub(range.from_ms) as f64 / step_ms;
            sparks.add(from, from + length_ms as f64 / step_ms, golden);
        });
        let place = |at_ms: u64| (at_ms - range.from_ms) as f64 / step_ms;
        self.coarse.each_part(range, |part, golden| sparks.add(place(part.from_ms), place(part.to_ms), golden));
        sparks.traffic()
    }
}
