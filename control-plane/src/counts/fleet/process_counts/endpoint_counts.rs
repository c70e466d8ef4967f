//! Endpoint counts: what one process has counted on one endpoint, and what is new in a report of it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::{EndpointReport, Seen};
use mesh::workload::Workload;

use crate::counts::fleet::endpoint_callers::{CallerCounts, EndpointCallers};
use crate::counts::timeline::Timeline;
use crate::counts::timeline::counted_span::CountedSpan;
use crate::counts::timeline::news::news;
use crate::counts::timeline::quota::CountQuota;
use crate::counts::timeline::recent_minutes::{RecentMinutes, RecentTotals};
use crate::counts::timeline::resting_counts::{RestingCounts, RestingParts};
use crate::counts::timeline::series::Series;
use crate::model::reporter::Reporter;

/// The counts of one endpoint of one pod. An endpoint that was reported once takes two hundred bytes: a hostile sidecar
/// may name thousands.
#[derive(Debug)]
pub struct EndpointCounts {
    series: SeriesInFlight,
    counted: CountedState,
    /// `None` if no callers were reported, or there is no room.
    callers: Option<Box<EndpointCallers>>,
    /// Callers that the series has kept since the process ended; a process that comes back reports
    /// them again.
    past_callers: Option<Box<Callers>>,
}

/// How the counts are held.
#[derive(Debug)]
enum CountedState {
    /// In few bytes, until more is counted.
    Resting(RestingCounts),
    /// Ready for more.
    Open(Box<OpenTotals>),
}

#[derive(Debug, Default)]
struct OpenTotals {
    totals: GoldenMetrics,
    /// `None` if there are no recent requests, or no room.
    recent: Option<Box<RecentMinutes>>,
}

/// The series that sums an endpoint over the pods, and one pod's share of its requests in flight; that is subtracted
/// when it is dropped.
#[derive(Debug)]
struct SeriesInFlight {
    series: Arc<Series>,
    count: u32,
}

/// New counts of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewCounts<'a> {
    pub(super) golden: &'a GoldenMetrics,
    /// The time that they cover.
    pub(super) span: CountedSpan,
    pub(super) seen: Option<Seen>,
    pub(super) in_flight: u32,
}

impl EndpointCounts {
    /// Zero counts, in the series of this endpoint.
    pub(super) fn new(
        endpoint: &Endpoint,
        is_file: bool,
        (workload, origin): (&Workload, Option<IpAddr>),
        timeline: &Timeline,
    ) -> Self {
        let reporter = Reporter { namespace: &workload.namespace, service: &workload.service };
        let series = timeline.series_from(origin, reporter, endpoint);
        if is_file {
            series.mark_as_file();
        }
        Self::with_series(series)
    }

    /// Zero counts, in this series.
    pub(super) fn with_series(series: Arc<Series>) -> Self {
        let series = SeriesInFlight { series, count: 0 };
        Self { series, counted: CountedState::Resting(RestingCounts::default()), callers: None, past_callers: None }
    }

    /// The series that sums it over the pods.
    pub fn series(&self) -> &Arc<Series> {
        &self.series.series
    }

    /// Sets the totals without counting them: the timeline has them from elsewhere.
    pub(super) fn resume(&mut self, totals: &GoldenMetrics) {
        self.counted = CountedState::at_rest(totals);
    }

    /// Applies the totals of a snapshot. Returns the hits that are new.
    pub(super) fn apply_snapshot(&mut self, row: &EndpointReport, span: CountedSpan, timeline: &Timeline) -> u64 {
        let news = news(&row.golden, &self.totals());
        let newest = (news.hits > 0).then(|| Seen::at(span.to_ms));
        let new = NewCounts { golden: &news, span, seen: row.seen.or(newest), in_flight: row.in_flight };
        self.record(new, Some(&row.golden));
        let callers = self.past_callers.as_ref().map_or_else(|| row.callers.clone(), |before| row.callers.since(before));
        if let Some(called) = self.callers_mut(&callers, timeline) {
            called.snapshot(callers, span.to_ms);
        }
        news.hits
    }

    /// Applies a change. Returns its hits.
    pub(super) fn apply_change(&mut self, row: &EndpointReport, span: CountedSpan, timeline: &Timeline) -> u64 {
        let newest = (row.golden.hits > 0).then(|| Seen::at(span.to_ms));
        let seen = newest.into_iter().chain(row.seen).reduce(Seen::and);
        self.record(NewCounts { golden: &row.golden, span, seen, in_flight: row.in_flight }, None);
        if let Some(called) = self.callers_mut(&row.callers, timeline) {
            called.change(&row.callers, span.to_ms);
        }
        row.golden.hits
    }

    /// Counts what is new. The totals grow by it; after a snapshot they are what it says.
    fn record(&mut self, new: NewCounts<'_>, totals: Option<&GoldenMetrics>) {
        let NewCounts { golden, span, seen, in_flight } = new;
        self.series.series.record(span, golden, seen);
        self.series.set(in_flight);
        if let CountedState::Resting(resting) = &mut self.counted {
            if resting.is_empty() {
                // What a process reports first was not counted before, so it is all of its totals.
                return *resting = RestingCounts::of_report(span, None, golden);
            }
            if golden.is_empty() && totals.is_none_or(|totals| *totals == resting.unpack().totals) {
                return;
            }
        }
        let quota = self.series.series.recent_quota();
        let open = self.counted.open(quota);
        match totals {
            Some(totals) => open.totals.clone_from(totals),
            None => open.totals.merge(golden),
        }
        open.add_recent(span, golden, quota);
    }

    /// Takes out the recent counts of an ended process, with their endpoint.
    pub(super) fn take_recent(&mut self) -> Option<(Endpoint, Box<RecentMinutes>)> {
        let recent = match &mut self.counted {
            CountedState::Resting(resting) => {
                let parts = resting.unpack();
                *resting = RestingCounts::of_totals(None, &parts.totals);
                recent_of(&parts)?.keep(self.series.series.recent_quota()).map(Box::new)?
            }
            CountedState::Open(open) => open.recent.take()?,
        };
        Some((self.series().canonical().endpoint.clone(), recent))
    }

    /// The process has ended: its callers pass to the series, where users still see them.
    pub(super) fn end(&mut self) {
        self.counted = CountedState::at_rest(&self.totals());
        if let Some(called) = self.callers.take() {
            let before = self.past_callers.get_or_insert_default();
            before.merge(called.total());
        }
    }

    /// The caller statistics, created with the first caller.
    fn callers_mut(&mut self, callers: &Callers, timeline: &Timeline) -> Option<&mut EndpointCallers> {
        if self.callers.is_none() && !callers.is_empty() {
            self.callers = EndpointCallers::new(Arc::clone(self.series()), timeline.caller_quota()).map(Box::new);
        }
        self.callers.as_deref_mut()
    }

    /// Visits each caller, perhaps more than once, each time with a part of its numbers.
    pub fn each_caller(&self, now_ms: u64, see: impl FnMut(Option<IpAddr>, CallerCounts)) {
        if let Some(called) = &self.callers {
            called.each(now_ms, see);
        }
    }

    /// Merges the counts of another name; the series are merged already.
    pub(super) fn merge(&mut self, mut other: Self) {
        let quota = self.series.series.recent_quota();
        let more = std::mem::take(other.counted.open(quota));
        self.counted.open(quota).merge(more);
        if let Some(before) = &other.past_callers {
            self.past_callers.get_or_insert_default().merge(before);
        }
        match (&mut self.callers, other.callers) {
            (Some(called), Some(more)) => called.merge(*more),
            (none, more) => *none = none.take().or(more),
        }
        self.series.set(self.series.count.saturating_add(other.series.count));
    }

    /// Without a stream, the requests in flight are unknown: they are set to zero.
    pub(super) fn reset_in_flight(&mut self) {
        self.series.set(0);
    }

    /// Bytes that its counts take, without the callers, of which there are few.
    pub(super) fn bytes(&self) -> usize {
        match &self.counted {
            CountedState::Resting(resting) => resting.bytes(),
            CountedState::Open(open) => open.totals.weight() + open.recent.as_ref().map_or(0, |lately| lately.bytes()),
        }
    }

    /// All that the process has reported of it.
    pub(super) fn totals(&self) -> Cow<'_, GoldenMetrics> {
        match &self.counted {
            CountedState::Resting(resting) => Cow::Owned(resting.unpack().totals),
            CountedState::Open(open) => Cow::Borrowed(&open.totals),
        }
    }

    /// Recent counts of a process that has run since `since_ms`; `None` if there are none or they
    /// are unknown.
    pub(super) fn recent(&self, since_ms: u64, now_ms: u64) -> Option<RecentTotals> {
        match &self.counted {
            CountedState::Resting(resting) => Some(recent_of(&resting.unpack())?.recent(since_ms, now_ms)),
            CountedState::Open(open) => open.recent.as_ref().map(|lately| lately.recent(since_ms, now_ms)),
        }
    }

    /// Frees the memory of counts that are no longer recent.
    pub(super) fn expire(&mut self, now_ms: u64) {
        // What found no room for recent minutes may be called every second, so it stays open.
        if let CountedState::Open(open) = &mut self.counted
            && open.recent.take_if(|lately| lately.is_expired(now_ms)).is_some()
        {
            self.counted = CountedState::at_rest(&self.totals());
        }
    }
}

impl CountedState {
    /// Totals without anything recent.
    fn at_rest(totals: &GoldenMetrics) -> Self {
        Self::Resting(RestingCounts::of_totals(None, totals))
    }

    /// Makes the counts ready for more.
    fn open(&mut self, quota: &Arc<CountQuota>) -> &mut OpenTotals {
        if let Self::Resting(resting) = self {
            let parts = resting.unpack();
            let recent = recent_of(&parts).and_then(|recent| recent.keep(quota)).map(Box::new);
            *self = Self::Open(Box::new(OpenTotals { totals: parts.totals, recent }));
        }
        match self {
            Self::Open(open) => open,
            Self::Resting(_) => unreachable!("it was opened above"),
        }
    }
}

/// The recent minutes of counts at rest; `None` if nothing is recent.
fn recent_of(resting: &RestingParts) -> Option<RecentMinutes> {
    let span = resting.span.filter(|_| resting.totals.hits > 0)?;
    let mut recent = RecentMinutes::default();
    recent.add(span, &resting.totals);
    Some(recent)
}

impl OpenTotals {
    fn add_recent(&mut self, span: CountedSpan, golden: &GoldenMetrics, quota: &Arc<CountQuota>) {
        if golden.hits == 0 {
            return;
        }
        if self.recent.is_none() {
            self.recent = RecentMinutes::default().keep(quota).map(Box::new);
        }
        self.recent.iter_mut().for_each(|lately| lately.add(span, golden));
    }

    fn merge(&mut self, other: Self) {
        self.totals.merge(&other.totals);
        match (&mut self.recent, other.recent) {
            (Some(lately), Some(more)) => lately.merge(&more),
            (none, more) => *none = none.take().or(more),
        }
    }
}

impl SeriesInFlight {
    fn set(&mut self, count: u32) {
        self.series.in_flight_changed(self.count, count);
        self.count = count;
    }
}

impl Drop for SeriesInFlight {
    fn drop(&mut self) {
        self.set(0);
    }
}
