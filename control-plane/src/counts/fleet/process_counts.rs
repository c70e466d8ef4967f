//! Process counts: what one pod has counted in its present process, in which series, how much is on disk, and pinned names.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::EndpointReport;
use mesh::routes::route_patterns::Pins;
use mesh::window::{Window, WindowRow};
use mesh::workload::Workload;
use proto::convert::windows::{PackedRow, PackedWindow};

use crate::counts::fleet::pin_aliases::PinAliases;
use crate::counts::fleet::process_counts::endpoint_counts::EndpointCounts;
use crate::counts::fleet::process_counts::memory_budget::MemoryBudget;
use crate::counts::fleet::process_counts::rate_check::RateCheck;
use crate::counts::timeline::Timeline;
use crate::counts::timeline::recent_minutes::{RecentMinutes, RecentTotals};
use crate::counts::timeline::series::Series;
use crate::counts::window_writer::durable_counts::DurableCounts;
use crate::counts::window_writer::pending_row::PendingRow;

pub mod apply_report;
pub mod endpoint_counts;
pub mod memory_budget;
pub mod rate_check;

/// The counts of one process.
#[derive(Debug, Default)]
pub struct ProcessCounts {
    /// In the order of the first report. A pod sends its rows in the same order again, so a report
    /// is added front to back, in the order of memory. With ten thousand pods, none of this is in a
    /// CPU cache.
    endpoints: IndexMap<Endpoint, EndpointCounts, RandomState>,
    aliases: PinAliases,
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
    durable_counts: Arc<DurableCounts>,
    memory: MemoryBudget,
    /// The peer address of its stream, if it is known.
    origin: Option<IpAddr>,
    rate_check: RateCheck,
}

impl ProcessCounts {
    /// Prepares for a new stream, which begins with a snapshot.
    pub(crate) fn begin_stream(&mut self) {
        self.seq = None;
    }

    /// Records the peer address of its stream.
    pub(crate) fn set_origin(&mut self, address: IpAddr) {
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
    pub(crate) fn durable_counts(&self) -> &Arc<DurableCounts> {
        &self.durable_counts
    }

    /// Takes what is on disk of this process as counted: the timeline has it from there. The
    /// baseline ended at `ended_ms` by our clock, if the sidecar reports that.
    pub(crate) fn resume(&mut self, baseline: Window, ended_ms: Option<u64>, workload: &Workload, timeline: &Timeline) {
        let ends_ms = ended_ms.unwrap_or_else(|| baseline.to_ms());
        self.resumed_ms = Some(if baseline.id == 0 { 0 } else { ends_ms });
        let (mark, origin) = (baseline.id, self.origin);
        self.endpoints.clear();
        for received in self.aliases.rename(&describe(baseline)).iter() {
            let mut counted = EndpointCounts::new(&received.endpoint, received.is_file, (workload, origin), timeline);
            counted.resume(&received.golden);
            self.note_shared_series(&counted);
            self.endpoints.insert(received.endpoint.clone(), counted);
        }
        self.durable_counts = Arc::new(DurableCounts::with_mark(mark, self.reported()));
    }

    /// Assigns each row of a window to the series that counts it.
    pub(crate) fn assign(&mut self, window: PackedWindow, workload: &Workload, timeline: &Timeline) -> Vec<PendingRow> {
        let origin = self.origin;
        let series = |row: PackedRow| {
            let endpoint = self.aliases.name(&row.endpoint).unwrap_or(row.endpoint);
            let known = self.endpoints.get(&endpoint).map(|counted| Arc::clone(counted.series()));
            let new = || EndpointCounts::new(&endpoint, row.is_file, (workload, origin), timeline);
            let series = known.unwrap_or_else(|| Arc::clone(new().series()));
            PendingRow { series, seen: row.seen, counts: row.counts }
        };
        window.rows.into_iter().map(series).collect()
    }

    /// Hits that were reported and are not on disk: they are lost when the process ends.
    pub(crate) fn hits_not_durable(&self) -> u64 {
        self.hits().saturating_sub(self.durable_counts.hits())
    }

    fn hits(&self) -> u64 {
        self.endpoints.values().fold(0, |sum, counted| sum.saturating_add(counted.totals().hits))
    }

    /// Each series, with all that this process has reported of it.
    fn reported(&self) -> impl Iterator<Item = (&Arc<Series>, Cow<'_, GoldenMetrics>)> {
        self.endpoints.values().map(|counted| (counted.series(), counted.totals()))
    }

    /// The process has ended, or counts as ended: what it has reported is lost, unless it is on
    /// disk or on its way there. Only what prevents counting it twice is kept.
    pub(crate) fn end(&mut self) {
        self.durable_counts.end(self.reported());
        self.endpoints.values_mut().for_each(EndpointCounts::end);
        self.memory.recompute(self.endpoints.iter());
    }

    /// The pod is forgotten: it has ended, and none of its windows is on its way to disk. Returns
    /// the lost hits that were not given up before.
    pub(crate) fn give_up(&mut self) -> u64 {
        self.end();
        self.durable_counts.give_up()
    }

    /// The forgotten pod is back.
    pub(crate) fn revive(&self) {
        self.durable_counts.revive();
    }

    /// Remembers the number of the shared series when an endpoint is that one.
    fn note_shared_series(&mut self, counted: &EndpointCounts) {
        if counted.series().endpoint.is_other() {
            self.other = Some(counted.series().number);
        }
    }

    /// Without a stream, the requests in flight are unknown: they are set to zero.
    pub(crate) fn reset_in_flight(&mut self) {
        self.endpoints.values_mut().for_each(EndpointCounts::reset_in_flight);
    }

    /// The number of the shared series for endpoints over the limit, if anything was counted there.
    pub(crate) fn other(&self) -> Option<usize> {
        self.other
    }

    /// The pod has applied these pins: it has folded its rows, and reports under the new names from
    /// now on.
    pub(crate) fn pins_applied(&mut self, pins: &Pins) {
        self.merge_renamed(pins);
        self.aliases.pins_applied(pins);
    }

    /// These pins are on their way to the pod. Endpoints that they give one name are folded here
    /// first. The names that the pod may still use are remembered.
    pub(crate) fn pins_sent(&mut self, pins: Arc<Pins>) {
        for (old, new) in self.merge_renamed(&pins) {
            self.aliases.insert(old, new);
        }
        self.aliases.pins_sent(pins);
    }

    /// Folds the endpoints that these pins give one name. Returns each old name with its new one.
    fn merge_renamed(&mut self, pins: &Pins) -> Vec<(Endpoint, Endpoint)> {
        if pins.is_empty() {
            return Vec::new();
        }
        let renamed: Vec<_> = self.endpoints.keys().filter_map(|old| Some((old.clone(), pins.rename(old)?))).collect();
        for (old, new) in &renamed {
            let Some(counted) = self.endpoints.swap_remove(old) else { continue };
            let nothing = || EndpointCounts::with_series(counted.series().canonical());
            self.endpoints.entry(new.clone()).or_insert_with(nothing).merge(counted);
        }
        self.memory.recompute(self.endpoints.iter());
        renamed
    }

    /// Bytes of memory that its counts take.
    pub(crate) fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// Recent counts of this process on an endpoint; `None` if there are none or they are unknown.
    pub fn recent(&self, endpoint: &Endpoint, now_ms: u64) -> Option<RecentTotals> {
        self.endpoints.get(endpoint)?.recent(self.since_ms, now_ms)
    }

    /// Takes out the recent counts of an ended process, with its start.
    pub(crate) fn take_recent(&mut self) -> (u64, Vec<(Endpoint, Box<RecentMinutes>)>) {
        (self.since_ms, self.endpoints.values_mut().filter_map(EndpointCounts::take_recent).collect())
    }

    /// Frees the memory of counts that are no longer recent.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        self.endpoints.values_mut().for_each(|counted| counted.expire(now_ms));
        self.memory.recompute(self.endpoints.iter());
    }

    /// Each endpoint that this process has counted.
    pub fn endpoints(&self) -> impl ExactSizeIterator<Item = &EndpointCounts> {
        self.endpoints.values()
    }
}

/// The rows of a window, in the form of a report.
fn describe(window: Window) -> Vec<EndpointReport> {
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
