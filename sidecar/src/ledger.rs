//! The numbers of one pod: totals since the start, the change since the last report, and a bounded history.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use mesh::golden::GoldenMetrics;
use mesh::refusal::Refusals;
use mesh::report::{Coverage, EndpointReport, Report, Resources, Seen};
use mesh::routes::route_patterns::Pins;
use mesh::rule_totals::RuleTotals;

use crate::ledger::caller_stats::CallerStats;
use crate::ledger::history::{EndpointHistory, HistoryLimits, Remembered};
use crate::ledger::windows::UnackedWindows;
use crate::resources::{Machine, Measured};

pub mod caller_stats;
pub mod collector;
pub mod history;
mod window_clock;
pub mod windows;

/// History limits of one endpoint: about 40 exchanges with paths of usual length.
const HISTORY: HistoryLimits = HistoryLimits { newest: 32, slowest: 4, failures: 16, firsts: 8, bytes: 16 * 1024 };

/// Bytes of all histories together: 2 MiB, which a sidecar can afford, however many endpoints share them. With 128
/// endpoints or fewer each has its full limit, with 256 half of it.
const HISTORY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Exchanges sent along with the next report, if the control plane wants any: failures only, so that some evidence is
/// left if the pod dies of them. All other exchanges are fetched on demand.
const UNREPORTED: HistoryLimits = HistoryLimits { newest: 0, slowest: 0, failures: 4, firsts: 0, bytes: 4 * 1024 };

/// Exchanges in one report, over all endpoints, whatever the control plane asks for. More than this is more than a
/// person can read in a second.
const EXCHANGES_PER_REPORT_MAX: usize = 1024;

/// The numbers of one pod. It does no I/O and reads no clock.
#[derive(Debug, Default)]
pub struct Ledger {
    rows: BTreeMap<Endpoint, LedgerRow>,
    /// Patterns pinned by command. Workers name new counts by them; counts from before are merged here.
    pins: Pins,
    machine: Arc<Machine>,
    resources: Option<Resources>,
    rules: Vec<RuleTotals>,
    samples_per_report: usize,
    /// The windows of the durable record, if they are kept.
    windows: Option<UnackedWindows>,
}

/// What is known of one endpoint.
#[derive(Debug)]
pub struct LedgerRow {
    /// Whether its path names a file.
    pub is_file: bool,
    /// Exchanges in flight at the last collection from the workers.
    pub in_flight: u32,
    /// Everything since the start.
    pub total: GoldenMetrics,
    /// When it was first and last requested; `None` if no exchange has ended yet.
    pub seen: Option<Seen>,
    /// The caller statistics.
    pub called: CallerStats,
    /// Exchanges kept as examples.
    pub history: EndpointHistory,
    change: GoldenMetrics,
    open: OpenShare,
    unreported: EndpointHistory,
    reported_in_flight: u32,
    reported_seen: bool,
}

/// An endpoint's share of the open window.
#[derive(Debug, Default)]
struct OpenShare {
    golden: GoldenMetrics,
    seen: Option<Seen>,
}

impl Ledger {
    /// Adds what the workers counted since the last collection. `reports` has one of each worker that counted an endpoint.
    ///
    /// An endpoint that is not in `reports` had no exchange since then, and has as many in flight as before.
    pub fn absorb(&mut self, reports: Vec<EndpointReport>) {
        let known = self.rows.len();
        let keeps_windows = self.windows.is_some();
        for report in &reports {
            if let Some(row) = self.rows.get_mut(&report.endpoint) {
                row.in_flight = 0;
            }
        }
        for report in reports {
            // The worker may have counted it just before it received a pin that is in force here by now.
            let renamed = self.pins.rename(&report.endpoint);
            let is_late = renamed.is_some();
            let row = self.rows.entry(renamed.unwrap_or(report.endpoint)).or_insert_with(|| LedgerRow::new(report.is_file));
            if !is_late {
                row.in_flight += report.in_flight;
            }
            row.count(&report.golden, report.seen);
            row.called.count(&report.callers);
            if keeps_windows {
                row.open.count(&report.golden, report.seen);
            }
            row.remember(report.recent, &self.machine, self.samples_per_report);
        }
        if self.rows.len() > known {
            self.divide_history_bytes();
        }
    }

    /// Divides the bytes of all histories equally among the endpoints.
    fn divide_history_bytes(&mut self) {
        let share = HISTORY_BYTES_MAX / self.rows.len().max(1);
        self.rows.values_mut().for_each(|row| row.history.shrink_to(share.min(HISTORY.bytes)));
    }

    /// Sets how many exchanges at most go along with a report.
    pub fn set_samples_per_report(&mut self, per_report: u32) {
        self.samples_per_report = (per_report as usize).min(EXCHANGES_PER_REPORT_MAX);
    }

    /// Returns the remembered exchanges of an endpoint, oldest first.
    pub fn history(&self, endpoint: &Endpoint) -> Vec<Exchange> {
        let remembered = self.rows.get(endpoint).into_iter().flat_map(|row| row.history.iter());
        remembered.map(|remembered| remembered.exchange.clone()).collect()
    }

    /// Names endpoints by these pins from now on, and merges rows that get the same name.
    pub fn pin(&mut self, pins: Pins) {
        self.pins = pins;
        let renamed: BTreeMap<_, _> = self.rows.keys().filter_map(|old| Some((old.clone(), self.pins.rename(old)?))).collect();
        for (old, new) in &renamed {
            if let Some(old) = self.rows.remove(old) {
                self.rows.entry(new.clone()).or_insert_with(|| LedgerRow::new(old.is_file)).absorb(old);
            }
        }
        if let Some(windows) = &mut self.windows {
            windows.rename(&renamed);
        }
    }

    /// Stores the latest measurement of the container.
    pub fn measured(&mut self, measured: Measured) {
        self.machine = measured.machine;
        self.resources = Some(measured.resources);
    }

    /// Stores what the rules have done so far.
    pub fn ruled(&mut self, rules: Vec<RuleTotals>) {
        self.rules = rules;
    }

    /// Stores the number of open downstream connections and the requests refused so far.
    pub fn connected(&mut self, connections: u32, refused: Refusals) {
        let resources = self.resources.get_or_insert_default();
        (resources.connections, resources.refused) = (connections, refused);
    }

    /// Reports everything since the start. The next change counts from here.
    pub fn snapshot(&mut self, seq: u64, at_ms: u64) -> Report {
        self.report(seq, at_ms, Coverage::Snapshot)
    }

    /// Reports what happened since the last report. Endpoints without news are left out.
    pub fn change(&mut self, seq: u64, at_ms: u64) -> Report {
        self.report(seq, at_ms, Coverage::Change)
    }

    /// All endpoints with their rows, ordered by name.
    pub fn rows(&self) -> impl Iterator<Item = (&Endpoint, &LedgerRow)> {
        self.rows.iter()
    }

    /// What the container used at the last measurement.
    pub fn resources(&self) -> Option<Resources> {
        self.resources
    }

    fn report(&mut self, seq: u64, at_ms: u64, coverage: Coverage) -> Report {
        if let Some(windows) = &mut self.windows {
            windows.reported();
        }
        let mut room = self.samples_per_report;
        let mut endpoints = Vec::new();
        for (endpoint, row) in &mut self.rows {
            if coverage == Coverage::Change && !row.has_news() {
                continue;
            }
            let change = std::mem::take(&mut row.change);
            let mut recent: Vec<Exchange> = row.unreported.take().into_iter().map(|remembered| remembered.exchange).collect();
            recent.truncate(room);
            room -= recent.len();
            row.reported_in_flight = row.in_flight;
            let is_news = coverage == Coverage::Snapshot || !std::mem::replace(&mut row.reported_seen, row.seen.is_some());
            endpoints.push(EndpointReport {
                endpoint: endpoint.clone(),
                is_file: row.is_file,
                in_flight: row.in_flight,
                seen: row.seen.filter(|_| is_news),
                golden: if coverage == Coverage::Snapshot { row.total.clone() } else { change },
                callers: row.called.report(coverage),
                recent,
            });
        }
        Report { seq, coverage, at_ms, endpoints, resources: self.resources, rules: self.rules.clone() }
    }
}

impl LedgerRow {
    fn new(is_file: bool) -> Self {
        Self {
            is_file,
            in_flight: 0,
            total: GoldenMetrics::default(),
            seen: None,
            called: CallerStats::default(),
            history: EndpointHistory::new(HISTORY),
            change: GoldenMetrics::default(),
            open: OpenShare::default(),
            unreported: EndpointHistory::new(UNREPORTED),
            reported_in_flight: 0,
            reported_seen: false,
        }
    }

    /// Merges another endpoint into this one after a rename. Its exchanges in flight are left out: the workers have
    /// merged their rows already, and report them under this name at the next collection.
    fn absorb(&mut self, other: Self) {
        self.is_file |= other.is_file;
        self.total.merge(&other.total);
        self.change.merge(&other.change);
        self.called.absorb(&other.called);
        self.open.count(&other.open.golden, other.open.seen);
        self.seen = self.seen.into_iter().chain(other.seen).reduce(Seen::and);
        self.reported_seen = false;
        self.history.keep(other.history.iter().cloned().collect());
        self.unreported.keep(other.unreported.iter().cloned().collect());
    }

    fn has_news(&self) -> bool {
        !self.change.is_empty() || self.in_flight != self.reported_in_flight
    }

    fn count(&mut self, golden: &GoldenMetrics, seen: Option<Seen>) {
        self.seen = self.seen.into_iter().chain(seen).reduce(Seen::and);
        self.total.merge(golden);
        self.change.merge(golden);
    }

    fn remember(&mut self, recent: Vec<Exchange>, machine: &Arc<Machine>, samples_per_report: usize) {
        let remembered = |exchange| Remembered { exchange, machine: Arc::clone(machine) };
        let recent: Vec<Remembered> = recent.into_iter().map(remembered).collect();
        if samples_per_report > 0 {
            self.unreported.keep(recent.clone());
        }
        self.history.keep(recent);
    }
}

impl OpenShare {
    fn count(&mut self, golden: &GoldenMetrics, seen: Option<Seen>) {
        self.golden.merge(golden);
        self.seen = self.seen.into_iter().chain(seen).reduce(Seen::and);
    }
}

#[cfg(test)]
pub(crate) mod tests;
