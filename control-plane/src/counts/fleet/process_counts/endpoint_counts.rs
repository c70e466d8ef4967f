//! Endpoint counts: what one process has counted on one endpoint, and what is new in a report of it.

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
use crate::counts::timeline::recent_minutes::{RecentMinutes, RecentTotals};
use crate::counts::timeline::series::Series;
use crate::model::reporter::Reporter;

/// The counts of one endpoint of one pod.
#[derive(Debug)]
pub struct EndpointCounts {
    /// The series that sums it over the pods.
    pub series: Arc<Series>,
    in_flight: InFlight,
    totals: GoldenMetrics,
    /// `None` if there are no recent requests, or no room.
    recent: Option<Box<RecentMinutes>>,
    /// `None` if no callers were reported, or there is no room.
    callers: Option<Box<EndpointCallers>>,
    /// Callers that the series has kept since the process ended; a process that comes back reports
    /// them again.
    past_callers: Option<Box<Callers>>,
}

/// One pod's share of the requests in flight; subtracted when it is dropped.
#[derive(Debug)]
struct InFlight {
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
        let in_flight = InFlight { series: Arc::clone(&series), count: 0 };
        Self { series, in_flight, totals: GoldenMetrics::default(), recent: None, callers: None, past_callers: None }
    }

    /// Sets the totals without counting them: the timeline has them from elsewhere.
    pub(super) fn resume(&mut self, totals: GoldenMetrics) {
        self.totals = totals;
    }

    /// Applies the totals of a snapshot. Returns the hits that are new.
    pub(super) fn apply_snapshot(&mut self, row: &EndpointReport, span: CountedSpan, timeline: &Timeline) -> u64 {
        let news = news(&row.golden, &self.totals);
        let newest = (news.hits > 0).then(|| Seen::at(span.to_ms));
        self.record(NewCounts { golden: &news, span, seen: row.seen.or(newest), in_flight: row.in_flight }, timeline);
        let callers = self.past_callers.as_ref().map_or_else(|| row.callers.clone(), |before| row.callers.since(before));
        if let Some(called) = self.callers_mut(&callers, timeline) {
            called.snapshot(callers, span.to_ms);
        }
        self.totals = row.golden.clone();
        news.hits
    }

    /// Applies a change. Returns its hits.
    pub(super) fn apply_change(&mut self, row: &EndpointReport, span: CountedSpan, timeline: &Timeline) -> u64 {
        let newest = (row.golden.hits > 0).then(|| Seen::at(span.to_ms));
        let seen = newest.into_iter().chain(row.seen).reduce(Seen::and);
        self.record(NewCounts { golden: &row.golden, span, seen, in_flight: row.in_flight }, timeline);
        if let Some(called) = self.callers_mut(&row.callers, timeline) {
            called.change(&row.callers, span.to_ms);
        }
        self.totals.merge(&row.golden);
        row.golden.hits
    }

    fn record(&mut self, news: NewCounts<'_>, timeline: &Timeline) {
        let NewCounts { golden, span, seen, in_flight } = news;
        self.series.record(span, golden, seen);
        self.in_flight.set(in_flight);
        if golden.hits > 0 {
            self.recent = self.recent.take().or_else(|| RecentMinutes::new(timeline.recent_quota()).map(Box::new));
            self.recent.iter_mut().for_each(|lately| lately.add(span, golden));
        }
    }

    /// Takes out the recent counts of an ended process, with their endpoint.
    pub(super) fn take_recent(&mut self) -> Option<(Endpoint, Box<RecentMinutes>)> {
        self.recent.take().map(|lately| (self.series.canonical().endpoint.clone(), lately))
    }

    /// The process has ended: its callers pass to the series, where users still see them.
    pub(super) fn end(&mut self) {
        self.recent = None;
        if let Some(called) = self.callers.take() {
            let before = self.past_callers.get_or_insert_default();
            before.merge(called.total());
        }
    }

    /// The caller statistics, created with the first caller.
    fn callers_mut(&mut self, callers: &Callers, timeline: &Timeline) -> Option<&mut EndpointCallers> {
        if self.callers.is_none() && !callers.is_empty() {
            self.callers = EndpointCallers::new(Arc::clone(&self.series), timeline.caller_quota()).map(Box::new);
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
    pub(super) fn merge(&mut self, other: Self) {
        self.totals.merge(&other.totals);
        match (&mut self.recent, other.recent) {
            (Some(lately), Some(more)) => lately.merge(&more),
            (none, more) => *none = none.take().or(more),
        }
        if let Some(before) = &other.past_callers {
            self.past_callers.get_or_insert_default().merge(before);
        }
        match (&mut self.callers, other.callers) {
            (Some(called), Some(more)) => called.merge(*more),
            (none, more) => *none = none.take().or(more),
        }
        self.in_flight.set(self.in_flight.count.saturating_add(other.in_flight.count));
    }

    /// Without a stream, the requests in flight are unknown: they are set to zero.
    pub(super) fn reset_in_flight(&mut self) {
        self.in_flight.set(0);
    }

    /// Bytes that its counts take, without the callers, of which there are few.
    pub(super) fn bytes(&self) -> usize {
        self.totals.weight() + self.recent.as_ref().map_or(0, |lately| lately.bytes())
    }

    /// Its series, and all that the process has reported of it.
    pub(super) fn reported(&self) -> (&Arc<Series>, &GoldenMetrics) {
        (&self.series, &self.totals)
    }

    /// Hits of the process.
    pub(super) fn hits(&self) -> u64 {
        self.totals.hits
    }

    /// Recent counts of a process that has run since `since_ms`; `None` if there are none or they
    /// are unknown.
    pub(super) fn recent(&self, since_ms: u64, now_ms: u64) -> Option<RecentTotals> {
        self.recent.as_ref().map(|lately| lately.recent(since_ms, now_ms))
    }

    /// Frees the memory of counts that are no longer recent.
    pub(super) fn expire(&mut self, now_ms: u64) {
        self.recent.take_if(|lately| lately.is_expired(now_ms));
    }
}

impl InFlight {
    fn set(&mut self, count: u32) {
        self.series.in_flight_changed(self.count, count);
        self.count = count;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.set(0);
    }
}
