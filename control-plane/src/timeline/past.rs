//! Windows that reach further back than memory: slots from the store, and from memory what has not come there yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mesh::golden::GoldenMetrics;

use crate::fleet::tally::counted::news;
use crate::snapshot::{SPARK_POINTS, Traffic};
use crate::store::StoreError;
use crate::store::chronicle::{Chronicle, Kept, View};
use crate::timeline::Timeline;
use crate::timeline::past::reach::Reach;
use crate::timeline::series::Series;

pub mod at_hand;
pub mod chart;
mod reach;

/// What every endpoint did in one long window, as far as it was on disk at one instant.
#[derive(Debug, Default)]
pub struct Past {
    /// When it was read, milliseconds since the Unix epoch.
    pub read_ms: u64,
    /// Since when there is anything to read.
    pub since_ms: u64,
    /// When the window before began; `None` if not all of it is kept.
    pub before_ms: Option<u64>,
    series: HashMap<usize, OnDisk>,
}

/// What is on disk of one series.
#[derive(Debug, Default)]
pub struct OnDisk {
    /// Within the window.
    window: GoldenMetrics,
    /// Within the window before; empty if not all of that is kept.
    before: GoldenMetrics,
    /// Requests and failures within the window, in steps.
    traffic: Vec<(f64, f64)>,
    /// All that is kept.
    total: GoldenMetrics,
}

impl Past {
    /// Reads a window that ends at `now_ms`, and the one before it.
    pub fn read(chronicle: &dyn Chronicle, timeline: &Timeline, window_ms: u64, now_ms: u64) -> Result<Self, StoreError> {
        let mut past = Self { read_ms: now_ms, ..Self::default() };
        chronicle.view(&mut |view| past.look(view, timeline, window_ms))?;
        Ok(past)
    }

    fn look(&mut self, view: &dyn View, timeline: &Timeline, window_ms: u64) -> Result<(), StoreError> {
        let kept = view.series()?;
        let names = named(&kept, timeline);
        for (number, kept) in &kept {
            self.series.entry(names[number].number).or_default().total.merge(&kept.total);
        }
        let reach = Reach::of(view)?;
        self.since_ms = reach.since_ms();
        let (from_ms, to_ms) = (self.read_ms.saturating_sub(window_ms), self.read_ms + 1);
        let step_ms = window_ms as f64 / SPARK_POINTS as f64;
        for piece in reach.pieces(from_ms, to_ms) {
            let length_ms = piece.resolution.step_ms();
            view.each_slot(piece, None, &mut |slot| {
                let mut golden = GoldenMetrics::default();
                slot.add_to(&mut golden)?;
                if let Some(series) = names.get(&slot.series).and_then(|series| self.series.get_mut(&series.number)) {
                    series.draw(slot.from_ms.saturating_sub(from_ms) as f64 / step_ms, length_ms as f64 / step_ms, &golden);
                    series.window.merge(&golden);
                }
                Ok(())
            })?;
        }
        let before_ms = from_ms.saturating_sub(window_ms);
        // Half of it would only look like a change.
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

    /// What a series did in the window: what is on disk of it, and what has been counted since.
    pub fn window(&self, series: &Series) -> GoldenMetrics {
        let live = series.totals();
        let Some(on_disk) = self.series.get(&series.number) else { return live };
        let mut sum = on_disk.window.clone();
        add_tail(&mut sum, &live, &on_disk.total);
        sum
    }

    /// What a series did in the window before.
    pub fn before(&self, series: &Series) -> GoldenMetrics {
        self.series.get(&series.number).map(|on_disk| on_disk.before.clone()).unwrap_or_default()
    }

    /// Requests and failures in steps, oldest first.
    pub fn traffic(&self, series: &Series) -> Vec<Traffic> {
        let drawn = self.series.get(&series.number).map(|on_disk| on_disk.traffic.as_slice()).unwrap_or_default();
        let mut traffic: Vec<Traffic> = drawn
            .iter()
            .map(|(hits, failures)| Traffic { hits: hits.round() as u64, failures: failures.round() as u64 })
            .collect();
        traffic.resize(SPARK_POINTS, Traffic::default());
        traffic
    }
}

impl OnDisk {
    fn draw(&mut self, from: f64, length: f64, golden: &GoldenMetrics) {
        self.traffic.resize(SPARK_POINTS, (0.0, 0.0));
        let to = from + length;
        for (point, sum) in self.traffic.iter_mut().enumerate().take(to.ceil() as usize).skip(from as usize) {
            let share = ((point as f64 + 1.0).min(to) - (point as f64).max(from)).max(0.0) / length;
            sum.0 += golden.hits as f64 * share;
            sum.1 += golden.failures() as f64 * share;
        }
    }
}

/// Adds what was counted in memory and is not on disk yet: at most some ten seconds, which belong to the newest slot.
pub(super) fn add_tail(sum: &mut GoldenMetrics, live: &GoldenMetrics, on_disk: &GoldenMetrics) {
    if live.hits > on_disk.hits {
        sum.merge(&news(live, on_disk));
    }
}

/// The series in memory in which each kept one is counted.
pub(super) fn named(kept: &BTreeMap<u32, Kept>, timeline: &Timeline) -> HashMap<u32, Arc<Series>> {
    kept.iter().map(|(number, kept)| (*number, timeline.named(&kept.name).settled())).collect()
}
