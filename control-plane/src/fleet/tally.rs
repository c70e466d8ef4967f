//! What one pod has counted in its present process, so that a lost or repeated report changes no total.

use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::report::{Coverage, EndpointReport, Report};
use mesh::routes::pins::Pins;
use mesh::window::{Window, WindowRow};
use mesh::workload::Workload;
use proto::convert::windows::{PackedRow, PackedWindow};

use crate::fleet::folds::Folds;
use crate::fleet::tally::counted::Counted;
use crate::keeper::account::Account;
use crate::keeper::submission;
use crate::timeline::Timeline;
use crate::timeline::history::Span;
use crate::timeline::lately::Recent;

pub mod counted;

/// A pod's counts.
#[derive(Debug, Default)]
pub struct Tally {
    /// In the order in which they were told first. A pod tells them in the same order again, so that a report is added from
    /// the first row to the last, through memory as it lies: of ten thousand pods nobody has anything in a cache.
    counted: IndexMap<Endpoint, Counted, RandomState>,
    folds: Folds,
    /// The number of the last report of this stream; `None` until its snapshot has come.
    seq: Option<u64>,
    /// The number of the series that everything over the limit shares, if it is in use.
    other: Option<usize>,
    /// Since when the process has run, as far as its first report tells.
    since_ms: u64,
    /// When the last report came; `None` if none did in this epoch.
    reported_ms: Option<u64>,
    /// Where this process's counts begin that are new here, if it was known before we were: the end of what is on disk.
    resumed_ms: Option<u64>,
    /// What is on disk of it.
    account: Arc<Account>,
    /// Hits that were given up for lost.
    given_up: u64,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absorbed {
    /// It was counted; with so many hits that were not known before.
    Counted(u64),
    /// It was counted before.
    Repeated,
    /// A newer stream speaks for the pod.
    Fenced,
}

/// Why a report cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Uncountable {
    /// A report is missing before it.
    #[error("report {got} came where {expected} was due: attach again and begin with a snapshot")]
    Gap {
        /// Its number.
        got: u64,
        /// The number that was due.
        expected: u64,
    },
    /// A stream begins with a snapshot, and this one did not.
    #[error("a change came before the snapshot that it changes: attach again and begin with a snapshot")]
    NoSnapshot,
    /// A number in it cannot be true.
    #[error("a count of {0} is over 2^50 and cannot be true")]
    Implausible(Endpoint),
}

/// When a report came, and how old the process is that it tells of.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// How long the process had been running when it made the report, by its own clock, in milliseconds.
    pub age_ms: u64,
}

impl Tally {
    /// A new stream has begun, and will begin with a snapshot.
    pub(crate) fn begin_stream(&mut self) {
        self.seq = None;
    }

    /// Whether anything was heard of this process.
    pub(crate) fn is_known(&self) -> bool {
        self.reported_ms.is_some() || self.resumed_ms.is_some()
    }

    /// Whether the snapshot of the present stream has come.
    pub(crate) fn has_snapshot(&self) -> bool {
        self.seq.is_some()
    }

    /// What is on disk of it.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Takes what is on disk of this process for counted: the timeline knows it from there.
    pub(crate) fn resume(&mut self, baseline: Window, workload: &Workload, timeline: &Timeline) {
        let ends_ms = baseline.to_ms();
        self.resumed_ms = Some(if baseline.id == 0 { 0 } else { ends_ms });
        let mark = baseline.id;
        self.counted.clear();
        for told in self.folds.rename(&told(baseline)).iter() {
            let mut counted = Counted::nothing(&told.endpoint, told.is_file, workload, timeline);
            counted.resume(told.golden.clone());
            self.notice(&counted);
            self.counted.insert(told.endpoint.clone(), counted);
        }
        self.account = Arc::new(Account::begin(mark, self.counted.values().map(Counted::told)));
    }

    /// The series in which each row of a window is counted.
    pub(crate) fn assign(&mut self, window: PackedWindow, workload: &Workload, timeline: &Timeline) -> Vec<submission::Counted> {
        let series = |row: PackedRow| {
            let endpoint = self.folds.name(&row.endpoint).unwrap_or(row.endpoint);
            let known = self.counted.get(&endpoint).map(|counted| Arc::clone(&counted.series));
            let series = known.unwrap_or_else(|| Counted::nothing(&endpoint, row.is_file, workload, timeline).series);
            submission::Counted { series, seen: row.seen, counts: row.counts }
        };
        window.rows.into_iter().map(series).collect()
    }

    /// Hits that were reported and are not on disk: what the end of the process loses.
    pub(crate) fn hits_not_kept(&self) -> u64 {
        self.hits().saturating_sub(self.account.hits())
    }

    fn hits(&self) -> u64 {
        self.counted.values().fold(0, |sum, counted| sum.saturating_add(counted.hits()))
    }

    /// The process has ended: what it has told is lost, unless it is on disk or on its way there. Returns what is known of
    /// that, and the hits that were given up before.
    pub(crate) fn end(self) -> (Arc<Account>, u64) {
        self.account.has_ended(self.counted.values().map(Counted::told));
        (self.account, self.given_up)
    }

    /// The pod is forgotten. What it has told and not brought to disk is given up, and only what keeps it from being counted
    /// twice is still of use. Returns the hits that were not given up before.
    pub(crate) fn retire(&mut self) -> u64 {
        self.account.has_ended(self.counted.values().map(Counted::told));
        let lost = self.account.is_lost().saturating_sub(self.given_up);
        self.given_up = self.given_up.saturating_add(lost);
        self.counted.values_mut().for_each(Counted::retire);
        lost
    }

    /// The pod that was forgotten is back.
    pub(crate) fn return_to_service(&self) {
        self.account.lives();
    }

    /// Adds what is new in a report to the timeline.
    pub(crate) fn absorb(
        &mut self,
        report: &Report,
        workload: &Workload,
        arrival: Arrival,
        timeline: &Timeline,
    ) -> Result<Absorbed, Uncountable> {
        if let Some(implausible) = report.endpoints.iter().find(|endpoint| !endpoint.golden.is_plausible()) {
            return Err(Uncountable::Implausible(implausible.endpoint.clone()));
        }
        let span = Span { from_ms: self.covered_from(report, arrival), to_ms: arrival.now_ms };
        if self.reported_ms.is_none() {
            self.since_ms = span.from_ms;
        }
        let endpoints = self.folds.rename(&report.endpoints);
        let hits = match (report.coverage, self.seq) {
            (Coverage::Snapshot, _) => self.absorb_snapshot(&endpoints, workload, span, timeline),
            (Coverage::Change, None) => return Err(Uncountable::NoSnapshot),
            (Coverage::Change, Some(seq)) if report.seq <= seq => return Ok(Absorbed::Repeated),
            (Coverage::Change, Some(seq)) if report.seq > seq + 1 => {
                return Err(Uncountable::Gap { got: report.seq, expected: seq + 1 });
            }
            (Coverage::Change, Some(_)) => self.absorb_change(&endpoints, workload, span, timeline),
        };
        self.seq = Some(report.seq);
        self.reported_ms = Some(arrival.now_ms);
        Ok(Absorbed::Counted(hits))
    }

    /// Since when the report tells what was not known. The first snapshot of a process tells of all its life.
    fn covered_from(&self, report: &Report, arrival: Arrival) -> u64 {
        let resumed_ms = self.resumed_ms.filter(|resumed_ms| *resumed_ms > 0);
        match (self.reported_ms.or(resumed_ms), report.coverage) {
            (Some(known_ms), _) => known_ms.min(arrival.now_ms),
            (None, Coverage::Snapshot) => arrival.now_ms.saturating_sub(arrival.age_ms),
            (None, Coverage::Change) => arrival.now_ms,
        }
    }

    /// Takes totals in; returns the hits that are new.
    fn absorb_snapshot(&mut self, endpoints: &[EndpointReport], workload: &Workload, span: Span, timeline: &Timeline) -> u64 {
        // What the snapshot leaves out was not counted by this process; so the table never outgrows one report.
        let mut before = std::mem::take(&mut self.counted);
        let mut hits = 0;
        for told in endpoints {
            let nothing = || Counted::nothing(&told.endpoint, told.is_file, workload, timeline);
            let mut counted = before.swap_remove(&told.endpoint).unwrap_or_else(nothing);
            hits += counted.is_now(told, span, timeline);
            self.notice(&counted);
            self.counted.insert(told.endpoint.clone(), counted);
        }
        hits
    }

    /// Takes changes in; returns their hits.
    fn absorb_change(&mut self, endpoints: &[EndpointReport], workload: &Workload, span: Span, timeline: &Timeline) -> u64 {
        let (mut hits, mut place) = (0, 0);
        for told in endpoints {
            if let Some((at, counted)) = self.find(&told.endpoint, place) {
                hits += counted.grows(told, span, timeline);
                place = at + 1;
                continue;
            }
            let mut counted = Counted::nothing(&told.endpoint, told.is_file, workload, timeline);
            hits += counted.grows(told, span, timeline);
            self.notice(&counted);
            self.counted.insert(told.endpoint.clone(), counted);
        }
        hits
    }

    /// What is counted of an endpoint, and where that is: at the place where it is looked for first, or elsewhere.
    fn find(&mut self, endpoint: &Endpoint, first: usize) -> Option<(usize, &mut Counted)> {
        let is_there = self.counted.get_index(first).is_some_and(|(known, _)| known == endpoint);
        let place = if is_there { first } else { self.counted.get_index_of(endpoint)? };
        self.counted.get_index_mut(place).map(|(_, counted)| (place, counted))
    }

    /// An endpoint is there that may be the one that everything over the limit shares.
    fn notice(&mut self, counted: &Counted) {
        if counted.series.endpoint.is_other() {
            self.other = Some(counted.series.number);
        }
    }

    /// Without a stream nobody knows what is under way.
    pub(crate) fn rest(&mut self) {
        self.counted.values_mut().for_each(Counted::rest);
    }

    /// The number of the series that everything over the limit shares, if anything was counted there.
    pub(crate) fn other(&self) -> Option<usize> {
        self.other
    }

    /// The pod obeys these pins: it has folded its rows, and what it tells from now on it tells under the new names.
    pub(crate) fn pod_obeys(&mut self, pins: &Pins) {
        self.fold(pins);
        self.folds.pod_obeys(pins);
    }

    /// The pod is being told of these pins. What they name alike is folded together here before it is there, and what the
    /// pod may still call otherwise is remembered.
    pub(crate) fn pod_is_told(&mut self, pins: Arc<Pins>) {
        for (old, new) in self.fold(&pins) {
            self.folds.remember(old, new);
        }
        self.folds.pod_is_told(pins);
    }

    /// Folds together what these pins name alike; returns which names were given up for which.
    fn fold(&mut self, pins: &Pins) -> Vec<(Endpoint, Endpoint)> {
        if pins.is_empty() {
            return Vec::new();
        }
        let renamed: Vec<_> = self.counted.keys().filter_map(|old| Some((old.clone(), pins.rename(old)?))).collect();
        for (old, new) in &renamed {
            let Some(counted) = self.counted.swap_remove(old) else { continue };
            let sum = self.counted.entry(new.clone()).or_insert_with(|| Counted::none(counted.series.settled()));
            sum.absorb(counted);
        }
        renamed
    }

    /// What this process did lately on an endpoint; `None` if that was nothing, or is not known.
    pub fn lately(&self, endpoint: &Endpoint, now_ms: u64) -> Option<Recent> {
        self.counted.get(endpoint)?.lately(self.since_ms, now_ms)
    }

    /// Gives back the room of what was a while ago.
    pub(crate) fn let_go(&mut self, now_ms: u64) {
        self.counted.values_mut().for_each(|counted| counted.let_go(now_ms));
    }

    /// Each endpoint that this process has counted.
    pub fn endpoints(&self) -> impl ExactSizeIterator<Item = &Counted> {
        self.counted.values()
    }
}

/// A window's rows, as a report would tell them.
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
