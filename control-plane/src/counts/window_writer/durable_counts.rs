//! Durable counts: what is on disk of one process. What it has reported beyond that is lost when it ends.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use mesh::golden::GoldenMetrics;

use crate::counts::packed_metrics::PackedMetrics;
use crate::counts::timeline::series::Series;
use crate::counts::window_writer::pending_row::PendingRow;

/// One process's counts on disk. Shared by its process counts and its windows under way.
#[derive(Debug, Default)]
pub struct DurableCounts(Mutex<DurableEntry>);

#[derive(Debug, Default)]
struct DurableEntry {
    mark: u64,
    hits: u64,
    /// By the number of the series that counted it when the window was queued.
    written: HashMap<usize, DurableEndpoint, RandomState>,
    end: ProcessEnd,
    /// Hits given up so far.
    given_up: u64,
}

/// What is on disk of one endpoint, in the store's encoding: it is needed when the process ends,
/// and takes a hundred bytes.
#[derive(Debug)]
struct DurableEndpoint {
    series: Arc<Series>,
    golden: PackedMetrics,
}

/// Whether the process has ended, and which of its reported counts were not on disk by then.
#[derive(Debug, Default)]
enum ProcessEnd {
    #[default]
    Living,
    /// Some of it may still be on its way to disk.
    Uncertain(Vec<Missing>),
    /// It is subtracted from its series.
    Lost(Vec<Missing>),
}

/// What was reported to a series, and is not on disk.
#[derive(Debug)]
struct Missing {
    series: Arc<Series>,
    golden: PackedMetrics,
}

impl DurableCounts {
    /// Begins with what was on disk before this process was known here.
    pub fn with_mark<'a, G: Borrow<GoldenMetrics>>(mark: u64, written: impl IntoIterator<Item = (&'a Arc<Series>, G)>) -> Self {
        let mut entry = DurableEntry { mark, ..DurableEntry::default() };
        for (series, golden) in written {
            let golden = golden.borrow();
            entry.hits = entry.hits.saturating_add(golden.hits);
            entry.add(series, golden);
        }
        Self(Mutex::new(entry))
    }

    /// Records that a window ending with this slot is on disk; each counts once.
    pub fn record_written(&self, end: u64, rows: &[PendingRow]) {
        let mut entry = self.lock();
        if end <= entry.mark {
            return;
        }
        entry.mark = end;
        let mut golden = GoldenMetrics::default();
        for row in rows {
            row.counts.unpack_into(&mut golden);
            entry.hits = entry.hits.saturating_add(golden.hits);
            entry.add(&row.series, &golden);
            entry.end.remove_written(&row.series, &golden);
        }
    }

    /// The last slot of which everything is on disk.
    pub fn mark(&self) -> u64 {
        self.lock().mark
    }

    /// Hits on disk.
    pub fn hits(&self) -> u64 {
        self.lock().hits
    }

    /// Records that the process has ended, or counts as ended, and what it had reported. What is
    /// not on disk is lost, unless it is on its way there.
    pub fn end<'a, G: Borrow<GoldenMetrics>>(&self, reported: impl IntoIterator<Item = (&'a Arc<Series>, G)>) {
        let mut entry = self.lock();
        let mut missing: HashMap<usize, (Arc<Series>, GoldenMetrics), RandomState> = HashMap::default();
        for (series, golden) in reported {
            let series = series.canonical();
            missing.entry(series.number).or_insert_with(|| (series, GoldenMetrics::default())).1.merge(golden.borrow());
        }
        for written in entry.written.values() {
            if let Some((_, golden)) = missing.get_mut(&written.series.canonical().number) {
                *golden = golden.since(&written.golden.unpack());
            }
        }
        let missing = missing.into_values().filter(|(_, golden)| !golden.is_empty());
        let packed = missing.map(|(series, golden)| Missing { series, golden: PackedMetrics::new(&golden) });
        entry.end = ProcessEnd::Uncertain(packed.collect());
    }

    /// Gives up what is missing, once none of it is on its way to disk: it is subtracted from its
    /// series. Returns the hits that were not given up before.
    pub fn give_up(&self) -> u64 {
        let lost = self.subtract_missing();
        let mut entry = self.lock();
        let news = lost.saturating_sub(entry.given_up);
        entry.given_up = entry.given_up.max(lost);
        news
    }

    /// Subtracts what is missing from its series. Returns its hits.
    fn subtract_missing(&self) -> u64 {
        let mut entry = self.lock();
        if let ProcessEnd::Uncertain(missing) = &mut entry.end {
            let missing = std::mem::take(missing);
            for Missing { series, golden } in &missing {
                series.subtract_lost(&golden.unpack());
            }
            entry.end = ProcessEnd::Lost(missing);
        }
        let ProcessEnd::Lost(missing) = &entry.end else { return 0 };
        missing.iter().fold(0, |hits, missing| hits.saturating_add(missing.golden.unpack().hits))
    }

    /// Records that a process is alive, although it counted as ended. It will still bring the missing
    /// counts to disk, so those that were subtracted are added back to their series.
    pub fn revive(&self) {
        if let ProcessEnd::Lost(missing) = std::mem::take(&mut self.lock().end) {
            for Missing { series, golden } in &missing {
                series.restore_lost(&golden.unpack());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, DurableEntry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DurableEntry {
    fn add(&mut self, series: &Arc<Series>, golden: &GoldenMetrics) {
        let nothing = || DurableEndpoint { series: Arc::clone(series), golden: PackedMetrics::default() };
        let written = self.written.entry(series.number).or_insert_with(nothing);
        let mut sum = written.golden.unpack();
        sum.merge(golden);
        written.golden = PackedMetrics::new(&sum);
    }
}

impl ProcessEnd {
    /// Takes counts that reached the disk after all out of the missing ones.
    fn remove_written(&mut self, series: &Arc<Series>, written: &GoldenMetrics) {
        let (missing, is_lost) = match self {
            Self::Living => return,
            Self::Uncertain(missing) => (missing, false),
            Self::Lost(missing) => (missing, true),
        };
        let number = series.canonical().number;
        if let Some(Missing { series, golden }) = missing.iter_mut().find(|missing| missing.series.canonical().number == number) {
            let known = golden.unpack();
            let rest = known.since(written);
            if is_lost {
                series.restore_lost(&known.since(&rest));
            }
            *golden = PackedMetrics::new(&rest);
        }
    }
}

#[cfg(test)]
mod tests;
