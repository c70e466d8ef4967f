//! Keeps the counters of `/metrics` monotonic over restarts: each is on disk before it is exposed.
//!
//! Prometheus takes a counter that falls for one that was reset to zero, and adds all of it once more. The underlying
//! counts may fall. A restart loses what a sidecar had reported and never brought to disk. A withdrawn pin returns what
//! it had merged. The row that many endpoints share loses those that are evicted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh::endpoint::{Endpoint, OTHER};
use mesh::golden::GoldenMetrics;

use crate::counts::timeline::series::Series;
use crate::recovery::RecoveryProgress;
use crate::store::metrics_store::{Handover, MetricsStore, SeriesName};
use crate::store::{StoreError, codec};

/// Endpoints that are exposed individually; later ones are exposed as one, with their number. Each is about 25 series
/// and 4 kB of text, and Prometheus advises against more than some tens of thousands for a target.
pub const ENDPOINTS_MAX: usize = 2000;

/// Counters that are remembered: those exposed, and as many that may be exposed again. Each takes about 300 bytes.
const REMEMBERED_MAX: usize = 2 * ENDPOINTS_MAX;

/// The counters that were exposed last.
#[derive(Debug, Default)]
pub struct Exposed {
    counters: Mutex<Counters>,
    /// Allows one writer at a time, so that an older value never replaces a newer one.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Counters {
    rows: HashMap<SeriesName, Counter>,
    /// Values that are not on disk yet.
    unwritten: HashMap<SeriesName, GoldenMetrics>,
    withdrawn: Vec<SeriesName>,
}

#[derive(Debug, Default)]
struct Counter {
    /// The value that was exposed last, encoded.
    packed: Box<[u8]>,
    /// What is added to the count before it is exposed, because the count has fallen.
    raised: Option<Box<GoldenMetrics>>,
}

/// One endpoint, or all those that are exposed as one.
#[derive(Debug)]
pub struct ExposedRow {
    /// Its name.
    pub name: SeriesName,
    /// Its counters, never lower than before.
    pub golden: GoldenMetrics,
    /// Requests under way.
    pub in_flight: u64,
}

/// The counters of one scrape.
#[derive(Debug)]
pub struct ExposedPage {
    /// The endpoints.
    pub rows: Vec<ExposedRow>,
    /// How many endpoints are exposed as one.
    pub folded: u64,
}

impl Exposed {
    /// Restores the counters that the previous process exposed.
    pub fn begin(exposed: Vec<(SeriesName, GoldenMetrics)>) -> Self {
        let counter = |(name, golden): (SeriesName, GoldenMetrics)| (name, Counter { packed: packed(&golden), raised: None });
        let rows = exposed.into_iter().map(counter).collect();
        Self { counters: Mutex::new(Counters { rows, ..Counters::default() }), writing: Mutex::default() }
    }

    /// The counters to expose. They must be written to disk first.
    pub fn page(&self, mut all: Vec<Arc<Series>>, progress: RecoveryProgress) -> ExposedPage {
        let mut counters = self.hold();
        // Endpoints that have a row already come first, so that each keeps its own; then the oldest.
        all.sort_by_cached_key(|series| (!counters.rows.contains_key(&series.name()), series.number));
        let rest = all.split_off(all.len().min(ENDPOINTS_MAX));
        let mut rows: Vec<ExposedRow> = all.iter().map(|series| ExposedRow::from_series(series)).collect();
        if !rest.is_empty() {
            rows.push(ExposedRow::sum(&rest));
        }
        for row in &mut rows {
            counters.expose(row, progress);
        }
        if counters.rows.len() > REMEMBERED_MAX {
            counters.withdraw_all_but(&rows);
        }
        ExposedPage { rows, folded: rest.len() as u64 }
    }

    /// Writes to disk what has changed since the last call. It may block.
    pub fn write(&self, metrics_store: &dyn MetricsStore) -> Result<(), StoreError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (unwritten, withdrawn) = {
            let mut counters = self.hold();
            (std::mem::take(&mut counters.unwritten), std::mem::take(&mut counters.withdrawn))
        };
        if unwritten.is_empty() && withdrawn.is_empty() {
            return Ok(());
        }
        let handover = Handover { exposed: unwritten.into_iter().collect(), withdrawn, ..Handover::default() };
        let written = metrics_store.record(&handover);
        if written.is_err() {
            let mut counters = self.hold();
            for (name, golden) in handover.exposed {
                // Values that were exposed in the meantime are newer.
                counters.unwritten.entry(name).or_insert(golden);
            }
            counters.withdrawn.extend(handover.withdrawn);
        }
        written
    }

    fn hold(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    /// Raises a row to the values that were exposed before, and remembers it.
    fn expose(&mut self, row: &mut ExposedRow, progress: RecoveryProgress) {
        let counter = self.rows.entry(row.name.clone()).or_default();
        if let Some(raised) = &counter.raised {
            row.golden.merge(raised);
        }
        let missing = unpacked(&counter.packed).since(&row.golden);
        if !is_nothing(&missing) {
            row.golden.merge(&missing);
            // While a pod may still return, the missing counts may return with it, and must not be counted twice.
            if progress == RecoveryProgress::Complete {
                counter.raised.get_or_insert_default().merge(&missing);
            }
        }
        let packed = packed(&row.golden);
        if packed != counter.packed {
            counter.packed = packed;
            self.unwritten.insert(row.name.clone(), row.golden.clone());
        }
    }

    fn withdraw_all_but(&mut self, rows: &[ExposedRow]) {
        let stays: HashSet<&SeriesName> = rows.iter().map(|row| &row.name).collect();
        let gone = self.rows.extract_if(|name, _| !stays.contains(name));
        self.withdrawn.extend(gone.map(|(name, _)| name));
    }
}

impl ExposedRow {
    fn from_series(series: &Series) -> Self {
        Self { name: series.name(), golden: series.lifetime_totals(), in_flight: u64::from(series.in_flight()) }
    }

    fn sum(many: &[Arc<Series>]) -> Self {
        let (mut golden, mut in_flight) = (GoldenMetrics::default(), 0_u64);
        for series in many {
            golden.merge(&series.lifetime_totals());
            in_flight = in_flight.saturating_add(u64::from(series.in_flight()));
        }
        let name = SeriesName { namespace: OTHER.into(), service: OTHER.into(), endpoint: Endpoint::other() };
        Self { name, golden, in_flight }
    }
}

/// Whether all counters are zero; maxima are no counters.
fn is_nothing(golden: &GoldenMetrics) -> bool {
    let GoldenMetrics { hits, by_rule, failed, failed_by_sitio, total_us, bytes_in, bytes_out, .. } = *golden;
    let sums = [hits, by_rule, failed, failed_by_sitio, total_us, golden.first_byte_total_us, bytes_in, bytes_out];
    sums.into_iter().all(|sum| sum == 0) && golden.latency.count() == 0 && golden.statuses().is_empty()
}

fn packed(golden: &GoldenMetrics) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(256);
    codec::write(golden, &mut bytes);
    bytes.into_boxed_slice()
}

fn unpacked(bytes: &[u8]) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    if !bytes.is_empty() {
        codec::add(bytes, &mut golden).expect("it was packed here");
    }
    golden
}

#[cfg(test)]
mod tests;
