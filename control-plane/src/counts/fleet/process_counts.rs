//! Process counts: what one pod has counted in its present process, in which series, how much is on disk, and pinned names.

use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::report::EndpointReport;
use mesh::routes::route_patterns::Pins;
use mesh::window::{Window, WindowRow};
use mesh::workload::Workload;
use proto::convert::windows::{PackedRow, PackedWindow};

use crate::counts::fleet::pin_aliases::PinAliases;
use crate::counts::fleet::process_counts::endpoint_counts::EndpointCounts;
use crate::counts::fleet::process_counts::memory_budget::MemoryBudget;
use crate::counts::fleet::process_counts::pace::Pace;
use crate::counts::timeline::Timeline;
use crate::counts::timeline::recent_minutes::{RecentMinutes, RecentTotals};
use crate::counts::window_writer::durable_counts::DurableCounts;
use crate::counts::window_writer::pending_window;

pub mod apply_report;
pub mod endpoint_counts;
pub mod memory_budget;
pub mod pace;
pub mod report_arrival;

/// The counts of one process.
#[derive(Debug, Default)]
pub struct ProcessCounts {
    /// In the order of the first report. A pod sends its rows in the same order again, so a report
    /// is added front to back, in the order of memory. With ten thousand pods, none of this is in a
    /// CPU cache.
    counted: IndexMap<Endpoint, EndpointCounts, RandomState>,
    folds: PinAliases,
    /// The number of the last report of this stream; `None` until its snapshot has arrived.
    seq: Option<u64>,
    /// The number of the shared series for endpoints over the limit, if it is in use.
    other: Option<usize>,
    /// When the process started, as far as its first report shows.
    since_ms: u64,
    /// When the last report arrived; `None` if none did in this epoch.
    reported_ms: Option<u64>,
    /// For a process that is older than this control plane: the end of what is on disk, where its
    /// new counts begin.
    resumed_ms: Option<u64>,
    /// What is on disk of this process.
    account: Arc<DurableCounts>,
    weight: MemoryBudget,
    /// The peer address of its stream, if it is known.
    origin: Option<IpAddr>,
    pace: Pace,
}

impl ProcessCounts {
    /// Prepares for a new stream, which begins with a snapshot.
    pub(crate) fn begin_stream(&mut self) {
        self.seq = None;
    }

    /// Records the peer address of its stream.
    pub(crate) fn comes_from(&mut self, address: IpAddr) {
        self.origin = Some(address);
    }

    /// Whether this process has reported, or was resumed from disk.
    pub(crate) fn is_known(&self) -> bool {
        self.reported_ms.is_some() || self.resumed_ms.is_some()
    }

    /// Whether the snapshot of the present stream has arrived.
    pub(crate) fn has_snapshot(&self) -> bool {
        self.seq.is_some()
    }

    /// What is on disk of this process.
    pub(crate) fn account(&self) -> &Arc<DurableCounts> {
        &self.account
    }

    /// Takes what is on disk of this process as counted: the timeline has it from there. The
    /// baseline ended at `ended_ms` by our clock, if the sidecar reports that.
    pub(crate) fn resume(&mut self, baseline: Window, ended_ms: Option<u64>, workload: &Workload, timeline: &Timeline) {
        let ends_ms = ended_ms.unwrap_or_else(|| baseline.to_ms());
        self.resumed_ms = Some(if baseline.id == 0 { 0 } else { ends_ms });
        let (mark, origin) = (baseline.id, self.origin);
        self.counted.clear();
        for told in self.folds.rename(&told(baseline)).iter() {
            let mut counted = EndpointCounts::nothing(&told.endpoint, told.is_file, (workload, origin), timeline);
            counted.resume(told.golden.clone());
            self.notice(&counted);
            self.counted.insert(told.endpoint.clone(), counted);
        }
        self.account = Arc::new(DurableCounts::begin(mark, self.counted.values().map(EndpointCounts::told)));
    }

    /// Assigns each row of a window to the series that counts it.
    pub(crate) fn assign(
        &mut self,
        window: PackedWindow,
        workload: &Workload,
        timeline: &Timeline,
    ) -> Vec<pending_window::PendingRow> {
        let origin = self.origin;
        let series = |row: PackedRow| {
            let endpoint = self.folds.name(&row.endpoint).unwrap_or(row.endpoint);
            let known = self.counted.get(&endpoint).map(|counted| Arc::clone(&counted.series));
            let series =
                known.unwrap_or_else(|| EndpointCounts::nothing(&endpoint, row.is_file, (workload, origin), timeline).series);
            pending_window::PendingRow { series, seen: row.seen, counts: row.counts }
        };
        window.rows.into_iter().map(series).collect()
    }

    /// Hits that were reported and are not on disk: they are lost when the process ends.
    pub(crate) fn hits_not_kept(&self) -> u64 {
        self.hits().saturating_sub(self.account.hits())
    }

    fn hits(&self) -> u64 {
        self.counted.values().fold(0, |sum, counted| sum.saturating_add(counted.hits()))
    }

    /// The process has ended, or counts as ended: what it has reported is lost, unless it is on
    /// disk or on its way there. Only what prevents counting it twice is kept.
    pub(crate) fn end(&mut self) {
        self.account.has_ended(self.counted.values().map(EndpointCounts::told));
        self.counted.values_mut().for_each(EndpointCounts::retire);
        self.weight.is_of(self.counted.iter());
    }

    /// The pod is forgotten: it has ended, and none of its windows is on its way to disk. Returns
    /// the lost hits that were not given up before.
    pub(crate) fn retire(&mut self) -> u64 {
        self.end();
        self.account.give_up()
    }

    /// The forgotten pod is back.
    pub(crate) fn return_to_service(&self) {
        self.account.lives();
    }

    /// Remembers the number of the shared series when an endpoint is that one.
    fn notice(&mut self, counted: &EndpointCounts) {
        if counted.series.endpoint.is_other() {
            self.other = Some(counted.series.number);
        }
    }

    /// Without a stream, the requests in flight are unknown: they are set to zero.
    pub(crate) fn rest(&mut self) {
        self.counted.values_mut().for_each(EndpointCounts::rest);
    }

    /// The number of the shared series for endpoints over the limit, if anything was counted there.
    pub(crate) fn other(&self) -> Option<usize> {
        self.other
    }

    /// The pod has applied these pins: it has folded its rows, and reports under the new names from
    /// now on.
    pub(crate) fn pod_obeys(&mut self, pins: &Pins) {
        self.fold(pins);
        self.folds.pod_obeys(pins);
    }

    /// These pins are on their way to the pod. Endpoints that they give one name are folded here
    /// first. The names that the pod may still use are remembered.
    pub(crate) fn pod_is_told(&mut self, pins: Arc<Pins>) {
        for (old, new) in self.fold(&pins) {
            self.folds.remember(old, new);
        }
        self.folds.pod_is_told(pins);
    }

    /// Folds the endpoints that these pins give one name. Returns each old name with its new one.
    fn fold(&mut self, pins: &Pins) -> Vec<(Endpoint, Endpoint)> {
        if pins.is_empty() {
            return Vec::new();
        }
        let renamed: Vec<_> = self.counted.keys().filter_map(|old| Some((old.clone(), pins.rename(old)?))).collect();
        for (old, new) in &renamed {
            let Some(counted) = self.counted.swap_remove(old) else { continue };
            let sum = self.counted.entry(new.clone()).or_insert_with(|| EndpointCounts::none(counted.series.settled()));
            sum.absorb(counted);
        }
        self.weight.is_of(self.counted.iter());
        renamed
    }

    /// Bytes of memory that its counts take.
    pub(crate) fn bytes(&self) -> usize {
        self.weight.bytes()
    }

    /// Recent counts of this process on an endpoint; `None` if there are none or they are unknown.
    pub fn lately(&self, endpoint: &Endpoint, now_ms: u64) -> Option<RecentTotals> {
        self.counted.get(endpoint)?.lately(self.since_ms, now_ms)
    }

    /// Takes out the recent counts of an ended process, with its start.
    pub(crate) fn take_lately(&mut self) -> (u64, Vec<(Endpoint, Box<RecentMinutes>)>) {
        (self.since_ms, self.counted.values_mut().filter_map(EndpointCounts::take_lately).collect())
    }

    /// Frees the memory of counts that are no longer recent.
    pub(crate) fn let_go(&mut self, now_ms: u64) {
        self.counted.values_mut().for_each(|counted| counted.let_go(now_ms));
        self.weight.is_of(self.counted.iter());
    }

    /// Each endpoint that this process has counted.
    pub fn endpoints(&self) -> impl ExactSizeIterator<Item = &EndpointCounts> {
        self.counted.values()
    }
}

/// The rows of a window, in the form of a report.
fn told(window: Window) -> Vec<EndpointReport> {
    let row = |WindowRow { endpoint, is_file, golden, seen }: WindowRow| EndpointReport {
        endpoint,
        is_file,
        in_flight: 0,
        seen,
        golden,
        callers: Callers::default(),
        recent: Vec::new(),
    };
    window.rows.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests;
