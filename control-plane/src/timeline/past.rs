//! Windows that reach further back than memory: slots from the store, and from memory what has not come there yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mesh::golden::GoldenMetrics;

use crate::fleet::tally::counted::news;
use crate::snapshot::{Range, SPARK_POINTS, Traffic};
use crate::store::StoreError;
use crate::store::chronicle::{Chronicle, Kept, View};
use crate::timeline::Timeline;
use crate::timeline::past::reach::Reach;
use crate::timeline::series::Series;
use crate::timeline::sparks::Sparks;

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
    /// The whole slots that were read, if a range was asked for.
    pub range: Option<Range>,
    /// Whether what memory has counted since is a part of it.
    end: End,
    /// By which names of endpoints ([`Timeline::naming`]).
    naming: u64,
    series: HashMap<usize, OnDisk>,
}

/// Where a window ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum End {
    /// Now: what is not on disk yet belongs to it.
    #[default]
    Now,
    /// Before: all of it is on disk.
    Past,
}

/// What is on disk of one series.
#[derive(Debug, Default)]
pub struct OnDisk {
    /// Within the window.
    window: GoldenMetrics,
    /// Within the window before; empty if not all of that is kept.
    before: GoldenMetrics,
    /// Within the window, in steps; `None` if there was nothing.
    sparks: Option<Sparks>,
    /// All that is kept.
    total: GoldenMetrics,
}

impl Past {
    /// Reads a window that ends at `now_ms`, and the one before it.
    pub fn read(chronicle: &dyn Chronicle, timeline: &Timeline, window_ms: u64, now_ms: u64) -> Result<Self, StoreError> {
        let mut past = Self { read_ms: now_ms, naming: timeline.naming(), ..Self::default() };
        let (from_ms, to_ms) = (now_ms.saturating_sub(window_ms), now_ms + 1);
        chronicle.view(&mut |view| past.look(view, timeline, (from_ms, to_ms), window_ms, Reach::of(view)?))?;
        Ok(past)
    }

    /// Reads the whole slots that hold a range, and as many before them.
    pub fn read_range(chronicle: &dyn Chronicle, timeline: &Timeline, range: Range, now_ms: u64) -> Result<Self, StoreError> {
        let mut past = Self { read_ms: now_ms, naming: timeline.naming(), ..Self::default() };
        chronicle.view(&mut |view| {
            let reach = Reach::of(view)?;
            let whole = reach.whole(range);
            past.range = Some(whole);
            past.end = if whole.to_ms > now_ms { End::Now } else { End::Past };
            past.look(view, timeline, (whole.from_ms, whole.to_ms), whole.length_ms(), reach)
        })?;
        Ok(past)
    }

    fn look(
        &mut self,
        view: &dyn View,
        timeline: &Timeline,
        (from_ms, to_ms): (u64, u64),
        window_ms: u64,
        reach: Reach,
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
        let on_disk = self.series.get(&series.number);
        if self.end == End::Past {
            return on_disk.map(|on_disk| on_disk.window.clone()).unwrap_or_default();
        }
        let live = series.totals();
        let Some(on_disk) = on_disk else { return live };
        let mut sum = on_disk.window.clone();
        add_tail(&mut sum, &live, &on_disk.total);
        sum
    }

    /// What a series did in the window before.
    pub fn before(&self, series: &Series) -> GoldenMetrics {
        self.series.get(&series.number).map(|on_disk| on_disk.before.clone()).unwrap_or_default()
    }

    /// The window in steps, oldest first.
    pub fn traffic(&self, series: &Series) -> Vec<Traffic> {
        let sparks = self.series.get(&series.number).and_then(|on_disk| on_disk.sparks.as_ref());
        sparks.map_or_else(|| vec![Traffic::default(); SPARK_POINTS], Sparks::traffic)
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
