//! The last hour of one endpoint in slots: one-second slots for five minutes, ten-second slots for the hour.

use std::sync::Arc;

use mesh::golden::GoldenMetrics;

use crate::counts::timeline::apportion::Fraction;
use crate::counts::timeline::counted_span::{CountedSpan, SHORT_MS};
use crate::counts::timeline::history::coarse::Coarse;
use crate::counts::timeline::history::sparkline::CachedSparkline;
use crate::counts::timeline::history::sums::SumCache;
use crate::counts::timeline::resample::Sparks;
use crate::counts::timeline::ring::{SlotCursor, SlotRing};
use crate::counts::timeline::time_range::TimeRange;
use crate::model::slot_outcomes::{OUTCOME_MS, SlotOutcome};
use crate::model::traffic::TrafficPoint;

mod coarse;
mod sparkline;
mod sums;

/// Five minutes of short slots, the running one, and a few more for a window that does not begin on
/// a whole ten seconds.
const SHORT_SLOTS: usize = 312;

/// Length of a long slot.
const LONG_MS: u64 = 10_000;

/// An hour of long slots, the running one, and the one in which the window began.
const LONG_SLOTS: usize = 362;

/// Older counts are dropped.
const REACH_MS: u64 = LONG_SLOTS as u64 * LONG_MS;

/// Minutes with traffic that the usual p95 needs.
const USUAL_MINUTES_MIN: usize = 5;

/// Timed requests that a minute needs for a meaningful p95.
const USUAL_REQUESTS_MIN: u64 = 20;

/// The last hour of one endpoint. Every count is in one short slot and one long slot, or in a
/// coarse entry.
#[derive(Debug)]
pub(super) struct SeriesHistory {
    short: SlotRing,
    long: SlotRing,
    coarse: Coarse,
    /// The minute for which the usual p95 was computed, and its value.
    usual: (u64, Option<f64>),
    /// Cached sums of long slots.
    sums: SumCache,
    sparkline: Option<CachedSparkline>,
}

/// Which slots to use where there are both kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// Long slots wherever they fit: fewer to add up.
    Coarse,
    /// Short slots as far back as they exist: for a chart.
    Fine,
}

impl SeriesHistory {
    pub(super) fn new() -> Self {
        Self {
            short: SlotRing::new(SHORT_MS, SHORT_SLOTS),
            long: SlotRing::new(LONG_MS, LONG_SLOTS),
            coarse: Coarse::default(),
            usual: (0, None),
            sums: SumCache::default(),
            sparkline: None,
        }
    }

    /// Adds counts, spread evenly over the time that they cover, from `since_ms` on.
    pub(super) fn add(&mut self, span: CountedSpan, since_ms: u64, golden: &GoldenMetrics) {
        self.short.follow_clock_back(span.to_ms);
        self.long.follow_clock_back(span.to_ms);
        if span.slot().is_some() {
            return self.add_to_slots(span.to_ms, golden);
        }
        // Counts older than the longest ring are dropped.
        let oldest_ms = span.to_ms.saturating_sub(REACH_MS);
        self.coarse.keep(oldest_ms, span.to_ms + REACH_MS);
        self.coarse.add(span, since_ms.max(oldest_ms), golden);
    }

    /// Adds a long slot from the store, at `now_ms`.
    pub(super) fn restore(&mut self, from_ms: u64, golden: &GoldenMetrics, now_ms: u64) {
        self.expire(now_ms);
        if self.short.reaches(from_ms) {
            for second in 0..LONG_MS / SHORT_MS {
                let part = Fraction { from: second, to: second + 1, of: LONG_MS / SHORT_MS };
                self.add_to_slots(from_ms + second * SHORT_MS, &part.metrics(golden));
            }
        } else {
            self.long.add(from_ms, golden);
        }
    }

    /// Bytes in memory, without the few cached sums.
    pub(super) fn bytes(&self) -> usize {
        self.short.bytes() + self.long.bytes() + self.coarse.bytes()
    }

    /// Drops slots that are too old at `now_ms`.
    pub(super) fn expire(&mut self, now_ms: u64) {
        self.short.advance_to_ms(now_ms);
        self.long.advance_to_ms(now_ms);
        self.coarse.keep(now_ms.saturating_sub(REACH_MS), now_ms + REACH_MS);
        if self.bytes() == 0 {
            (self.sums, self.sparkline) = (SumCache::default(), None);
        }
    }

    /// Adds the counts of another history.
    pub(super) fn merge(&mut self, other: &Self) {
        self.short.merge(&other.short);
        self.long.merge(&other.long);
        self.coarse.merge(&other.coarse);
    }

    /// Calls `see` with the start, length and counts of each slot in the range, once per slot.
    pub(super) fn each_slot(&self, range: TimeRange, grain: Grain, mut see: impl FnMut(u64, u64, &GoldenMetrics)) {
        let (mut short, mut long) = (self.short.cursor(), self.long.cursor());
        let mut at_ms = range.from_ms;
        let mut golden = GoldenMetrics::default();
        while at_ms < range.to_ms {
            golden.renew();
            let fits_long = at_ms.is_multiple_of(LONG_MS) && at_ms + LONG_MS <= range.to_ms;
            if (fits_long && grain == Grain::Coarse) || !self.short.reaches(at_ms) {
                let from_ms = at_ms / LONG_MS * LONG_MS;
                if long.add_slot(from_ms, &mut golden) {
                    see(from_ms, LONG_MS, &golden);
                }
                at_ms = from_ms + LONG_MS;
            } else {
                if short.add_slot(at_ms, &mut golden) {
                    see(at_ms, SHORT_MS, &golden);
                }
                at_ms += SHORT_MS;
            }
        }
    }

    /// Returns the counts in each step of a range, oldest first.
    pub(super) fn steps(&self, range: TimeRange, step_ms: u64) -> Vec<GoldenMetrics> {
        let steps = (range.to_ms - range.from_ms).div_ceil(step_ms.max(1)) as usize;
        let mut sums = vec![GoldenMetrics::default(); steps];
        self.each_slot(range, Grain::Fine, |from_ms, _, golden| {
            let step = from_ms.saturating_sub(range.from_ms) / step_ms.max(1);
            if let Some(sum) = sums.get_mut(step as usize) {
                sum.merge(golden);
            }
        });
        for (step, sum) in sums.iter_mut().enumerate() {
            let from_ms = range.from_ms + step as u64 * step_ms;
            self.add_coarse(TimeRange { from_ms, to_ms: (from_ms + step_ms).min(range.to_ms) }, sum);
        }
        sums
    }

    /// Returns the outcomes of the slots of a range that has so many.
    pub(super) fn outcomes(&self, range: TimeRange, slots: usize) -> Vec<SlotOutcome> {
        let mut outcomes = vec![SlotOutcome::default(); slots];
        self.each_slot(range, Grain::Coarse, |from_ms, _, golden| {
            let at = from_ms.saturating_sub(range.from_ms) / OUTCOME_MS;
            if let Some(slot) = outcomes.get_mut(at as usize) {
                let outcome = SlotOutcome::from_metrics(golden);
                slot.served = slot.served.saturating_add(outcome.served);
                slot.failures = slot.failures.saturating_add(outcome.failures);
            }
        });
        outcomes
    }

    /// Adds what the coarse entries hold of the range.
    pub(super) fn add_coarse(&self, range: TimeRange, sum: &mut GoldenMetrics) {
        self.coarse.add_to(range, sum);
    }

    /// Returns the sum over the range; each slot counts once.
    pub(super) fn sum(&mut self, range: TimeRange) -> GoldenMetrics {
        let over = self.long_part(range);
        let mut sum = self.sums.over(over, &self.long);
        self.coarse.add_to(range, &mut sum);
        for edge in [TimeRange { to_ms: over.from_ms, ..range }, TimeRange { from_ms: over.to_ms, ..range }] {
            self.each_slot(edge, Grain::Coarse, |_, _, golden| sum.merge(golden));
        }
        sum
    }

    /// The part of the range that consists of whole long slots. Short slots cover the rest at both
    /// ends.
    fn long_part(&self, range: TimeRange) -> TimeRange {
        let whole_ms = range.from_ms.next_multiple_of(LONG_MS).min(range.to_ms);
        let from_ms = if self.short.reaches(range.from_ms) { whole_ms } else { range.from_ms / LONG_MS * LONG_MS };
        TimeRange { from_ms, to_ms: (range.to_ms / LONG_MS * LONG_MS).max(from_ms) }
    }

    /// The median of the per-minute p95 over the last hour, computed once a minute; `None` until
    /// there are enough minutes.
    pub(super) fn usual_p95_us(&mut self, now_ms: u64) -> Option<f64> {
        let minute = now_ms / 60_000;
        if self.usual.0 != minute {
            let mut slots = self.long.cursor();
            let minutes = minute.saturating_sub(60)..minute;
            let mut usual: Vec<f64> = minutes.filter_map(|minute| self.p95_us(minute, &mut slots)).collect();
            usual.sort_by(f64::total_cmp);
            self.usual = (minute, if usual.len() < USUAL_MINUTES_MIN { None } else { Some(usual[usual.len() / 2]) });
        }
        self.usual.1
    }

    fn p95_us(&self, minute: u64, slots: &mut SlotCursor<'_>) -> Option<f64> {
        let range = TimeRange { from_ms: minute * 60_000, to_ms: (minute + 1) * 60_000 };
        let mut sum = GoldenMetrics::default();
        (range.from_ms..range.to_ms).step_by(LONG_MS as usize).for_each(|at_ms| {
            slots.add_slot(at_ms, &mut sum);
        });
        self.coarse.add_to(range, &mut sum);
        if sum.latency.count() < USUAL_REQUESTS_MIN { None } else { sum.quantile_us(0.95) }
    }

    /// Returns the traffic of the range in `points` steps, oldest first.
    pub(super) fn traffic(&mut self, range: TimeRange, points: usize) -> Arc<[TrafficPoint]> {
        let revisions = (self.short.revisions(), self.long.revisions(), self.coarse.revisions());
        if let Some(steps) = self.sparkline.as_ref().and_then(|known| known.steps(range, revisions, points)) {
            return steps;
        }
        let steps: Arc<[TrafficPoint]> = self.compute_steps(range, points).into();
        let is_settled = self.short.is_settled(range) && steps.iter().any(|step| *step != TrafficPoint::default());
        self.sparkline = is_settled.then(|| CachedSparkline { range, revisions, steps: Arc::clone(&steps) });
        steps
    }

    fn compute_steps(&self, range: TimeRange, points: usize) -> Vec<TrafficPoint> {
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

    fn add_to_slots(&mut self, at_ms: u64, golden: &GoldenMetrics) {
        // A share may hold time or bytes without a whole exchange; only an empty share needs no
        // slot.
        if *golden == GoldenMetrics::default() {
            return;
        }
        self.short.add(at_ms, golden);
        self.long.add(at_ms, golden);
    }
}
