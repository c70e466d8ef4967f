//! Reads the totals and the last hour of a series. Counts at rest stay at rest.

use std::sync::Arc;

use mesh::golden::GoldenMetrics;

use crate::counts::timeline::resting_counts::RestingCounts;
use crate::counts::timeline::series::counts::SeriesCounts;
use crate::counts::timeline::series::{Series, SeriesState};
use crate::counts::timeline::time_range::TimeRange;
use crate::model::slot_outcomes::{OUTCOME_MS, SlotOutcomes};
use crate::model::traffic::TrafficPoint;

/// Slots of [`SlotOutcomes`]: one hour.
const OUTCOMES: usize = 360;

impl Series {
    /// The total since the pods started that is on disk, or will be: living processes still hand
    /// over their counts.
    pub fn totals(&self) -> GoldenMetrics {
        self.read_totals(|totals, lost| lost.map_or_else(|| totals.clone(), |lost| totals.since(lost)))
    }

    /// The total ever reported here, including counts that were lost later: it never decreases.
    pub fn lifetime_totals(&self) -> GoldenMetrics {
        self.read_totals(|totals, _| totals.clone())
    }

    /// Returns the counts within a time range.
    pub fn between(&self, range: TimeRange) -> GoldenMetrics {
        self.read(|counted| counted.history.sum(range))
    }

    /// Returns the counts in each step of a time range, oldest first. A step consists of whole
    /// slots: one second long within the last five minutes, ten seconds long before.
    pub fn steps(&self, range: TimeRange, step_ms: u64) -> Vec<GoldenMetrics> {
        self.read(|counted| counted.history.steps(range, step_ms))
    }

    /// Returns the traffic of a time range in `points` steps, oldest first.
    pub fn traffic(&self, range: TimeRange, points: usize) -> Arc<[TrafficPoint]> {
        self.read(|counted| counted.history.traffic(range, points))
    }

    /// Returns the outcomes of the requests of the last hour.
    pub fn outcomes(&self, now_ms: u64) -> SlotOutcomes {
        let range = TimeRange::steps(OUTCOME_MS, OUTCOMES, now_ms);
        self.read(|counted| {
            let slots = counted.history.outcomes(range, OUTCOMES);
            let started_ms = self.service.started_ms;
            let began_ms = counted.seen.map_or(started_ms, |seen| seen.first_ms.max(started_ms));
            SlotOutcomes { from_ms: range.from_ms, began_ms, slots: slots.into() }
        })
    }

    /// The median of its per-minute p95 over the last hour, in microseconds; `None` until there are
    /// a few minutes.
    pub fn usual_p95_us(&self, now_ms: u64) -> Option<f64> {
        self.read(|counted| counted.history.usual_p95_us(now_ms))
    }

    /// Reads the counts, with all pending counts added. Counts at rest stay at rest: a page that shows thousands of them
    /// would take all the memory that they save.
    fn read<R>(&self, read: impl FnOnce(&mut SeriesCounts) -> R) -> R {
        match &mut *self.lock() {
            SeriesState::Open(counted) => {
                counted.flush();
                read(counted)
            }
            SeriesState::Resting(counts) => {
                let mut counted = SeriesCounts::from_resting(counts, &self.service);
                counted.flush();
                read(&mut counted)
            }
            SeriesState::Merged(_) => read(&mut SeriesCounts::from_resting(&RestingCounts::default(), &self.service)),
        }
    }

    /// Reads the totals and those of them that were lost, without unpacking more than that: `/metrics` needs them of
    /// every series.
    fn read_totals<R>(&self, read: impl FnOnce(&GoldenMetrics, Option<&GoldenMetrics>) -> R) -> R {
        match &mut *self.lock() {
            SeriesState::Open(counted) => {
                counted.flush();
                read(&counted.totals, counted.lost.as_deref())
            }
            SeriesState::Resting(counts) => {
                let parts = counts.unpack();
                read(&parts.totals, Some(&parts.lost).filter(|lost| !lost.is_empty()))
            }
            SeriesState::Merged(_) => read(&GoldenMetrics::default(), None),
        }
    }
}
