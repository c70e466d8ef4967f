//! What is on disk of one process, beside what it has reported: the difference is what its end loses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use mesh::golden::GoldenMetrics;

use crate::keeper::submission::Counted;
use crate::store::compact;
use crate::timeline::series::Series;

/// One process's counts on disk. Shared by its tally and its windows under way.
#[derive(Debug, Default)]
pub struct Account(Mutex<Entry>);

#[derive(Debug, Default)]
struct Entry {
    mark: u64,
    hits: u64,
    /// By the number of the series in which it was counted when it was handed over.
    kept: HashMap<usize, Kept, RandomState>,
    end: End,
    /// Hits that were given up so far.
    given_up: u64,
}

/// What is on disk of one endpoint, as the disk has it: it is looked at when the process ends, and takes a hundred bytes.
#[derive(Debug)]
struct Kept {
    series: Arc<Series>,
    packed: Box<[u8]>,
}

/// Whether the process has ended, and what it had told by then that is not on disk.
#[derive(Debug, Default)]
enum End {
    #[default]
    Living,
    /// Some of it may still be on its way to the disk.
    Uncertain(Vec<Missing>),
    /// Its series are without it.
    Lost(Vec<Missing>),
}

/// What was told in a series, and is not on disk.
#[derive(Debug)]
struct Missing {
    series: Arc<Series>,
    golden: GoldenMetrics,
}

impl Account {
    /// Begins with what was on disk before this process was known here.
    pub fn begin<'a>(mark: u64, kept: impl IntoIterator<Item = (&'a Arc<Series>, &'a GoldenMetrics)>) -> Self {
        let mut entry = Entry { mark, ..Entry::default() };
        for (series, golden) in kept {
            entry.hits = entry.hits.saturating_add(golden.hits);
            entry.add(series, golden);
        }
        Self(Mutex::new(entry))
    }

    /// A window that ends with this slot is on disk; each counts once.
    pub fn is_kept(&self, end: u64, rows: &[Counted]) {
        let mut entry = self.hold();
        if end <= entry.mark {
            return;
        }
        entry.mark = end;
        let mut golden = GoldenMetrics::default();
        for row in rows {
            row.counts.unpack_into(&mut golden);
            entry.hits = entry.hits.saturating_add(golden.hits);
            entry.add(&row.series, &golden);
            entry.end.reaches_disk(&row.series, &golden);
        }
    }

    /// The last slot of which everything is on disk.
    pub fn mark(&self) -> u64 {
        self.hold().mark
    }

    /// Hits on disk.
    pub fn hits(&self) -> u64 {
        self.hold().hits
    }

    /// The process has ended, or is taken for ended, and had told this. What is not on disk of it is lost, unless it is on
    /// its way there.
    pub fn has_ended<'a>(&self, told: impl IntoIterator<Item = (&'a Arc<Series>, &'a GoldenMetrics)>) {
        let mut entry = self.hold();
        let mut missing: HashMap<usize, Missing, RandomState> = HashMap::default();
        for (series, golden) in told {
            let series = series.settled();
            let nothing = || Missing { series: Arc::clone(&series), golden: GoldenMetrics::default() };
            missing.entry(series.number).or_insert_with(nothing).golden.merge(golden);
        }
        for kept in entry.kept.values() {
            if let Some(Missing { golden, .. }) = missing.get_mut(&kept.series.settled().number) {
                *golden = golden.since(&kept.golden());
            }
        }
        entry.end = End::Uncertain(missing.into_values().filter(|missing| !missing.golden.is_empty()).collect());
    }

    /// Gives up what is missing, once none of it is on its way any more: its series are without it from now on. Returns the
    /// hits that were not given up before.
    pub fn give_up(&self) -> u64 {
        let lost = self.is_lost();
        let mut entry = self.hold();
        let news = lost.saturating_sub(entry.given_up);
        entry.given_up = entry.given_up.max(lost);
        news
    }

    /// What is missing is lost: its series are without it from now on. Returns its hits.
    fn is_lost(&self) -> u64 {
        let mut entry = self.hold();
        if let End::Uncertain(missing) = &mut entry.end {
            let missing = std::mem::take(missing);
            for Missing { series, golden } in &missing {
                series.is_without(golden);
            }
            entry.end = End::Lost(missing);
        }
        let End::Lost(missing) = &entry.end else { return 0 };
        missing.iter().fold(0, |hits, missing| hits.saturating_add(missing.golden.hits))
    }

    /// The process was taken for ended and lives: it will bring to disk what was given up.
    pub fn lives(&self) {
        if let End::Lost(missing) = std::mem::take(&mut self.hold().end) {
            for Missing { series, golden } in &missing {
                series.has_again(golden);
            }
        }
    }

    fn hold(&self) -> MutexGuard<'_, Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn add(&mut self, series: &Arc<Series>, golden: &GoldenMetrics) {
        let nothing = || Kept { series: Arc::clone(series), packed: Box::default() };
        let kept = self.kept.entry(series.number).or_insert_with(nothing);
        let mut sum = kept.golden();
        sum.merge(golden);
        let mut bytes = Vec::with_capacity(256);
        compact::write(&sum, &mut bytes);
        kept.packed = bytes.into_boxed_slice();
    }
}

impl Kept {
    fn golden(&self) -> GoldenMetrics {
        let mut golden = GoldenMetrics::default();
        if !self.packed.is_empty() {
            compact::add(&self.packed, &mut golden).expect("it was written here");
        }
        golden
    }
}

impl End {
    /// Something has come to disk after all.
    fn reaches_disk(&mut self, series: &Arc<Series>, kept: &GoldenMetrics) {
        let (missing, is_lost) = match self {
            Self::Living => return,
            Self::Uncertain(missing) => (missing, false),
            Self::Lost(missing) => (missing, true),
        };
        let number = series.settled().number;
        if let Some(Missing { series, golden }) = missing.iter_mut().find(|missing| missing.series.settled().number == number) {
            let rest = golden.since(kept);
            if is_lost {
                series.has_again(&golden.since(&rest));
            }
            *golden = rest;
        }
    }
}

#[cfg(test)]
mod tests;
