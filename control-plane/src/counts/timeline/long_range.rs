//! Windows longer than what memory holds: slots from the store, plus counts in memory that are not on disk yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mesh::golden::GoldenMetrics;

use crate::counts::timeline::Timeline;
use crate::counts::timeline::long_range::retention::Retention;
use crate::counts::timeline::news::news;
use crate::counts::timeline::resample::Sparks;
use crate::counts::timeline::series::Series;
use crate::model::traffic::{SPARK_POINTS, TrafficPoint};
use crate::model::window::Range;
use crate::store::StoreError;
use crate::store::metrics_store::{MetricsStore, StoreView, StoredSeries};

pub mod chart;
pub mod range_cache;
mod retention;

/// What every endpoint did in one long window, as far as it was on disk when it was read.
#[derive(Debug, Default)]
pub struct LongRange {
    /// When it was read, milliseconds since the Unix epoch.
    pub read_ms: u64,
    /// When the stored data begins, milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// When the window before began; `None` if that window is not completely stored.
    pub before_ms: Option<u64>,
    /// The whole slots that were read, if a range was requested.
    pub range: Option<Range>,
    /// Whether counts in memory that came later belong to it.
    end: WindowEnd,
    /// The naming of endpoints that it was read with ([`Timeline::naming_revision`]).
    naming_revision: u64,
    series: HashMap<usize, OnDisk>,
}

/// Where a window ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum WindowEnd {
    /// Now: counts that are not on disk yet belong to it.
    #[default]
    Now,
    /// In the past: all of it is on disk.
    Past,
}

/// What the store holds of one series.
#[derive(Debug, Default)]
pub struct OnDisk {
    /// Counts within the window.
    window: GoldenMetrics,
    /// Counts within the window before; empty if that window is not completely stored.
    before: GoldenMetrics,
    /// The window in steps; `None` if it is empty.
    sparks: Option<Sparks>,
    /// All stored counts.
    total: GoldenMetrics,
}

impl LongRange {
    /// Reads a window that ends at `now_ms`, and the one before it.
    pub fn read(metrics_store: &dyn MetricsStore, timeline: &Timeline, window_ms: u64, now_ms: u64) -> Result<Self, StoreError> {
        let mut past = Self { read_ms: now_ms, naming_revision: timeline.naming_revision(), ..Self::default() };
        let (from_ms, to_ms) = (now_ms.saturating_sub(window_ms), now_ms + 1);
        metrics_store.view(&mut |view| past.load(view, timeline, (from_ms, to_ms), window_ms, Retention::read(view)?))?;
        Ok(past)
    }

    /// Reads the whole slots that cover a range, and the same length before them.
    pub fn read_range(
        metrics_store: &dyn MetricsStore,
        timeline: &Timeline,
        range: Range,
        now_ms: u64,
    ) -> Result<Self, StoreError> {
        let mut past = Self { read_ms: now_ms, naming_revision: timeline.naming_revision(), ..Self::default() };
        metrics_store.view(&mut |view| {
            let reach = Retention::read(view)?;
            let whole = reach.whole(range);
            past.range = Some(whole);
            past.end = if whole.to_ms > now_ms { WindowEnd::Now } else { WindowEnd::Past };
            past.load(view, timeline, (whole.from_ms, whole.to_ms), whole.length_ms(), reach)
        })?;
        Ok(past)
    }

    fn load(
        &mut self,
        view: &dyn StoreView,
        timeline: &Timeline,
        (from_ms, to_ms): (u64, u64),
        window_ms: u64,
        reach: Retention,
    ) -> Result<(), StoreError> {
        let kept = view.series()?;
        let names = named(&kept, timeline);
        for (number, kept) in &kept {
            self.series.entry(names[number].number).or_default().total.merge(&kept.total);
        }
        self.since_ms = reach.since_ms();
        let step_ms = window_ms as f64 / SPARK_POINTS as f64;
        for piece in reach.pieces(from_ms, to_ms) {
            let length_ms = piece.resolution.step_ms();
            view.each_slot(piece, None, &mut |slot| {
                let mut golden = GoldenMetrics::default();
                slot.add_to(&mut golden)?;
                if let Some(series) = names.get(&slot.series).and_then(|series| self.series.get_mut(&series.number)) {
                    let from = slot.from_ms.saturating_sub(from_ms) as f64 / step_ms;
                    let sparks = series.sparks.get_or_insert_with(|| Sparks::new(SPARK_POINTS));
                    sparks.add(from, from + length_ms as f64 / step_ms, &golden);
                    series.window.merge(&golden);
                }
                Ok(())
            })?;
        }
        let before_ms = from_ms.saturating_sub(window_ms);
        // A partly stored window would look like a change in traffic.
        if before_ms < self.since_ms {
            return Ok(());
        }
        self.before_ms = Some(before_ms);
        for piece in reach.pieces(before_ms, from_ms) {
            view.each_slot(piece, None, &mut |slot| match names
                .get(&slot.series)
                .and_then(|series| self.series.get_mut(&series.number))
            {
                Some(series) => slot.add_to(&mut series.before),
                None => Ok(()),
            })?;
        }
        Ok(())
    }

    /// Returns the counts of a series in the window: from disk, plus what was counted since.
    pub fn window(&self, series: &Series) -> GoldenMetrics {
        let on_disk = self.series.get(&series.number);
        if self.end == WindowEnd::Past {
            return on_disk.map(|on_disk| on_disk.window.clone()).unwrap_or_default();
        }
        let live = series.totals();
        let Some(on_disk) = on_disk else { return live };
        let mut sum = on_disk.window.clone();
        add_tail(&mut sum, &live, &on_disk.total);
        sum
    }

    /// Returns the counts of a series in the window before.
    pub fn before(&self, series: &Series) -> GoldenMetrics {
        self.series.get(&series.number).map(|on_disk| on_disk.before.clone()).unwrap_or_default()
    }

    /// Returns the window in steps, oldest first.
    pub fn traffic(&self, series: &Series) -> Vec<TrafficPoint> {
        let sparks = self.series.get(&series.number).and_then(|on_disk| on_disk.sparks.as_ref());
        sparks.map_or_else(|| vec![TrafficPoint::default(); SPARK_POINTS], Sparks::traffic)
    }
}

/// Adds counts that are in memory and not on disk yet: about ten seconds at most, which belong to
/// the newest slot.
pub(super) fn add_tail(sum: &mut GoldenMetrics, live: &GoldenMetrics, on_disk: &GoldenMetrics) {
    if live.hits > on_disk.hits {
        sum.merge(&news(live, on_disk));
    }
}

/// Maps each stored series to the series in memory that it is counted in.
pub(super) fn named(kept: &BTreeMap<u32, StoredSeries>, timeline: &Timeline) -> HashMap<u32, Arc<Series>> {
    kept.iter().map(|(number, kept)| (*number, timeline.stored_series(&kept.name).canonical())).collect()
}
