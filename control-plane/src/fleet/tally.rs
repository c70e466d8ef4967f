//! What one pod has counted in its present process, so that a lost or repeated report changes no total.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report, Seen};
use mesh::routes::pins::Pins;
use mesh::window::{Window, WindowRow};
use mesh::workload::Workload;

use crate::fleet::folds::Folds;
use crate::keeper::account::Account;
use crate::keeper::submission;
use crate::timeline::history::Span;
use crate::timeline::lately::{Lately, Recent};
use crate::timeline::series::Series;
use crate::timeline::{Reporter, Timeline};

/// A pod's counts.
#[derive(Debug, Default)]
pub struct Tally {
    counted: HashMap<Endpoint, Counted, RandomState>,
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
}

/// One endpoint of one pod.
#[derive(Debug)]
pub struct Counted {
    /// Where it is added up over the pods.
    pub series: Arc<Series>,
    in_flight: InFlight,
    totals: GoldenMetrics,
    /// `None` if nothing happened lately, or there is no room.
    lately: Option<Box<Lately>>,
}

/// One pod's share of the requests that are under way; taken back when it is dropped.
#[derive(Debug)]
struct InFlight {
    series: Arc<Series>,
    count: u32,
}

impl InFlight {
    fn are(&mut self, count: u32) {
        self.series.in_flight_changed(self.count, count);
        self.count = count;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.are(0);
    }
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
        self.account = Arc::new(Account::begin(baseline.id, baseline.sum().hits));
        self.counted.clear();
        for told in self.folds.rename(told(baseline)) {
            let mut counted = Counted::nothing(&told, workload, timeline);
            counted.totals = told.golden;
            self.counted.insert(told.endpoint, counted);
        }
    }

    /// The series in which each row of a window is counted.
    pub(crate) fn assign(&mut self, window: Window, workload: &Workload, timeline: &Timeline) -> Vec<submission::Counted> {
        let rows = self.folds.rename(told(window));
        let series = |row: EndpointReport| {
            let known = self.counted.get(&row.endpoint).map(|counted| Arc::clone(&counted.series));
            let series = known.unwrap_or_else(|| Counted::nothing(&row, workload, timeline).series);
            submission::Counted { series, seen: row.seen, golden: row.golden }
        };
        rows.into_iter().map(series).collect()
    }

    /// Hits that were reported and are not on disk: what the end of the process makes final.
    pub(crate) fn hits_not_kept(&self) -> u64 {
        let reported = self.counted.values().fold(0_u64, |sum, counted| sum.saturating_add(counted.totals.hits));
        reported.saturating_sub(self.account.hits())
    }

    /// Adds what is new in a report to the timeline.
    pub(crate) fn absorb(
        &mut self,
        report: Report,
        workload: &Workload,
        arrival: Arrival,
        timeline: &Timeline,
    ) -> Result<Absorbed, Uncountable> {
        if let Some(implausible) = report.endpoints.iter().find(|endpoint| !endpoint.golden.is_plausible()) {
            return Err(Uncountable::Implausible(implausible.endpoint.clone()));
        }
        let span = Span { from_ms: self.covered_from(&report, arrival), to_ms: arrival.now_ms };
        if self.reported_ms.is_none() {
            self.since_ms = span.from_ms;
        }
        let report = Report { endpoints: self.folds.rename(report.endpoints), ..report };
        let hits = match (report.coverage, self.seq) {
            (Coverage::Snapshot, _) => self.absorb_snapshot(report.seq, report.endpoints, workload, span, timeline),
            (Coverage::Change, None) => return Err(Uncountable::NoSnapshot),
            (Coverage::Change, Some(seq)) if report.seq <= seq => return Ok(Absorbed::Repeated),
            (Coverage::Change, Some(seq)) if report.seq > seq + 1 => {
                return Err(Uncountable::Gap { got: report.seq, expected: seq + 1 });
            }
            (Coverage::Change, Some(_)) => self.absorb_change(report.seq, report.endpoints, workload, span, timeline),
        };
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

    fn absorb_snapshot(
        &mut self,
        seq: u64,
        endpoints: Vec<EndpointReport>,
        workload: &Workload,
        span: Span,
        timeline: &Timeline,
    ) -> u64 {
        // What the snapshot leaves out was not counted by this process; so the table never outgrows one report.
        let mut before = std::mem::take(&mut self.counted);
        let mut hits = 0;
        for told in endpoints {
            let mut counted = before.remove(&told.endpoint).unwrap_or_else(|| Counted::nothing(&told, workload, timeline));
            let news = news(&told.golden, &counted.totals);
            hits += news.hits;
            counted.add(span, &news, timeline);
            let newest = (news.hits > 0).then(|| Seen::at(span.to_ms));
            counted.series.was_seen(told.seen.or(newest), span.to_ms);
            if counted.series.endpoint.is_other() {
                self.other = Some(counted.series.number);
            }
            counted.in_flight.are(told.in_flight);
            counted.totals = told.golden;
            self.counted.insert(told.endpoint, counted);
        }
        self.seq = Some(seq);
        hits
    }

    fn absorb_change(
        &mut self,
        seq: u64,
        endpoints: Vec<EndpointReport>,
        workload: &Workload,
        span: Span,
        timeline: &Timeline,
    ) -> u64 {
        let mut hits = 0;
        for told in endpoints {
            let nothing = || Counted::nothing(&told, workload, timeline);
            let counted = self.counted.entry(told.endpoint.clone()).or_insert_with(nothing);
            hits += told.golden.hits;
            counted.add(span, &told.golden, timeline);
            let newest = (told.golden.hits > 0).then(|| Seen::at(span.to_ms));
            counted.series.was_seen(newest.into_iter().chain(told.seen).reduce(Seen::and), span.to_ms);
            if counted.series.endpoint.is_other() {
                self.other = Some(counted.series.number);
            }
            counted.in_flight.are(told.in_flight);
            counted.totals.merge(&told.golden);
        }
        self.seq = Some(seq);
        hits
    }

    /// Without a stream nobody knows what is under way.
    pub(crate) fn rest(&mut self) {
        self.counted.values_mut().for_each(|counted| counted.in_flight.are(0));
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
            let Some(counted) = self.counted.remove(old) else { continue };
            let sum = self.counted.entry(new.clone()).or_insert_with(|| Counted::none(counted.series.settled()));
            sum.totals.merge(&counted.totals);
            match (&mut sum.lately, counted.lately) {
                (Some(lately), Some(more)) => lately.merge(&more),
                (none, more) => *none = none.take().or(more),
            }
            sum.in_flight.are(sum.in_flight.count.saturating_add(counted.in_flight.count));
        }
        renamed
    }

    /// What this process did lately on an endpoint; `None` if that was nothing, or is not known.
    pub fn lately(&self, endpoint: &Endpoint, now_ms: u64) -> Option<Recent> {
        let lately = self.counted.get(endpoint)?.lately.as_ref()?;
        Some(lately.recent(self.since_ms, now_ms))
    }

    /// Gives back the room of what was a while ago.
    pub(crate) fn let_go(&mut self, now_ms: u64) {
        for counted in self.counted.values_mut() {
            counted.lately.take_if(|lately| lately.is_over(now_ms));
        }
    }

    /// Each endpoint that this process has counted.
    pub fn endpoints(&self) -> impl Iterator<Item = &Counted> {
        self.counted.values()
    }
}

impl Counted {
    fn nothing(told: &EndpointReport, workload: &Workload, timeline: &Timeline) -> Self {
        let reporter = Reporter { namespace: &workload.namespace, service: &workload.service };
        let series = timeline.series(reporter, &told.endpoint);
        if told.is_file {
            series.is_a_file();
        }
        Self::none(series)
    }

    fn none(series: Arc<Series>) -> Self {
        let in_flight = InFlight { series: Arc::clone(&series), count: 0 };
        Self { series, in_flight, totals: GoldenMetrics::default(), lately: None }
    }

    fn add(&mut self, span: Span, news: &GoldenMetrics, timeline: &Timeline) {
        self.series.add(span, news);
        if news.hits > 0 {
            self.lately = self.lately.take().or_else(|| Lately::new(timeline.room()).map(Box::new));
            self.lately.iter_mut().for_each(|lately| lately.add(span, news));
        }
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
        recent: Vec::new(),
    };
    window.rows.into_iter().map(row).collect()
}

/// What a snapshot says that was not known.
pub(crate) fn news(snapshot: &GoldenMetrics, known: &GoldenMetrics) -> GoldenMetrics {
    let mut news = snapshot.since(known);
    let old = known.latency.count() > 0;
    let at = |q: f64| news.latency.quantile(q).map(|us| us as u64);
    let (lowest_us, highest_us) = (at(0.0), at(1.0).unwrap_or(0));
    // An extreme that was known before is none of the new ones, which are in the buckets that they are in.
    if old && snapshot.max_us == known.max_us {
        news.max_us = highest_us.min(snapshot.max_us);
    }
    if old && snapshot.min_us == known.min_us {
        news.min_us = snapshot.min_us.and_then(|min_us| lowest_us.map(|us| us.max(min_us)));
    }
    if old && snapshot.first_byte_max_us == known.first_byte_max_us {
        news.first_byte_max_us = news.first_byte_max_us.min(news.max_us);
    }
    news
}

#[cfg(test)]
mod tests;
