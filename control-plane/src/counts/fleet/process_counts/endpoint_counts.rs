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
    lately: Option<Box<RecentMinutes>>,
    /// `None` if no callers were reported, or there is no room.
    called: Option<Box<EndpointCallers>>,
    /// Callers that the series has kept since the process ended; a process that comes back reports
    /// them again.
    called_before: Option<Box<Callers>>,
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
    pub(super) fn nothing(
        endpoint: &Endpoint,
        is_file: bool,
        (workload, origin): (&Workload, Option<IpAddr>),
        timeline: &Timeline,
    ) -> Self {
        let reporter = Reporter { namespace: &workload.namespace, service: &workload.service };
        let series = timeline.series_from(origin, reporter, endpoint);
        if is_file {
            series.is_a_file();
        }
        Self::none(series)
    }

    /// Zero counts, in this series.
    pub(super) fn none(series: Arc<Series>) -> Self {
        let in_flight = InFlight { series: Arc::clone(&series), count: 0 };
        Self { series, in_flight, totals: GoldenMetrics::default(), lately: None, called: None, called_before: None }
    }

    /// Sets the totals without counting them: the timeline has them from elsewhere.
    pub(super) fn resume(&mut self, totals: GoldenMetrics) {
        self.totals = totals;
    }

    /// Applies the totals of a snapshot. Returns the hits that are new.
    pub(super) fn is_now(&mut self, told: &EndpointReport, span: CountedSpan, timeline: &Timeline) -> u64 {
        let news = news(&told.golden, &self.totals);
        let newest = (news.hits > 0).then(|| Seen::at(span.to_ms));
        self.was_told(NewCounts { golden: &news, span, seen: told.seen.or(newest), in_flight: told.in_flight }, timeline);
        let callers = self.called_before.as_ref().map_or_else(|| told.callers.clone(), |before| told.callers.since(before));
        if let Some(called) = self.called_by(&callers, timeline) {
            called.snapshot(callers, span.to_ms);
        }
        self.totals = told.golden.clone();
        news.hits
    }

    /// Applies a change. Returns its hits.
    pub(super) fn grows(&mut self, told: &EndpointReport, span: CountedSpan, timeline: &Timeline) -> u64 {
        let newest = (told.golden.hits > 0).then(|| Seen::at(span.to_ms));
        let seen = newest.into_iter().chain(told.seen).reduce(Seen::and);
        self.was_told(NewCounts { golden: &told.golden, span, seen, in_flight: told.in_flight }, timeline);
        if let Some(called) = self.called_by(&told.callers, timeline) {
            called.change(&told.callers, span.to_ms);
        }
        self.totals.merge(&told.golden);
        told.golden.hits
    }

    fn was_told(&mut self, news: NewCounts<'_>, timeline: &Timeline) {
        let NewCounts { golden, span, seen, in_flight } = news;
        self.series.was_told(span, golden, seen);
        self.in_flight.are(in_flight);
        if golden.hits > 0 {
            self.lately = self.lately.take().or_else(|| RecentMinutes::new(timeline.room()).map(Box::new));
            self.lately.iter_mut().for_each(|lately| lately.add(span, golden));
        }
    }

    /// Takes out the recent counts of an ended process, with their endpoint.
    pub(super) fn take_lately(&mut self) -> Option<(Endpoint, Box<RecentMinutes>)> {
        self.lately.take().map(|lately| (self.series.settled().endpoint.clone(), lately))
    }

    /// The process has ended: its callers pass to the series, where users still see them.
    pub(super) fn retire(&mut self) {
        self.lately = None;
        if let Some(called) = self.called.take() {
            let before = self.called_before.get_or_insert_default();
            before.merge(called.total());
        }
    }

    /// The caller statistics, created with the first caller.
    fn called_by(&mut self, callers: &Callers, timeline: &Timeline) -> Option<&mut EndpointCallers> {
        if self.called.is_none() && !callers.is_empty() {
            self.called = EndpointCallers::new(Arc::clone(&self.series), timeline.callers_room()).map(Box::new);
        }
        self.called.as_deref_mut()
    }

    /// Visits each caller, perhaps more than once, each time with a part of its numbers.
    pub fn each_caller(&self, now_ms: u64, see: impl FnMut(Option<IpAddr>, CallerCounts)) {
        if let Some(called) = &self.called {
            called.each(now_ms, see);
        }
    }

    /// Merges the counts of another name; the series are merged already.
    pub(super) fn absorb(&mut self, other: Self) {
        self.totals.merge(&other.totals);
        match (&mut self.lately, other.lately) {
            (Some(lately), Some(more)) => lately.merge(&more),
            (none, more) => *none = none.take().or(more),
        }
        if let Some(before) = &other.called_before {
            self.called_before.get_or_insert_default().merge(before);
        }
        match (&mut self.called, other.called) {
            (Some(called), Some(more)) => called.absorb(*more),
            (none, more) => *none = none.take().or(more),
        }
        self.in_flight.are(self.in_flight.count.saturating_add(other.in_flight.count));
    }

    /// Without a stream, the requests in flight are unknown: they are set to zero.
    pub(super) fn rest(&mut self) {
        self.in_flight.are(0);
    }

    /// Bytes that its counts take, without the callers, of which there are few.
    pub(super) fn weight(&self) -> usize {
        self.totals.weight() + self.lately.as_ref().map_or(0, |lately| lately.weight())
    }

    /// Its series, and all that the process has reported of it.
    pub(super) fn told(&self) -> (&Arc<Series>, &GoldenMetrics) {
        (&self.series, &self.totals)
    }

    /// Hits of the process.
    pub(super) fn hits(&self) -> u64 {
        self.totals.hits
    }

    /// Recent counts of a process that has run since `since_ms`; `None` if there are none or they
    /// are unknown.
    pub(super) fn lately(&self, since_ms: u64, now_ms: u64) -> Option<RecentTotals> {
        self.lately.as_ref().map(|lately| lately.recent(since_ms, now_ms))
    }

    /// Frees the memory of counts that are no longer recent.
    pub(super) fn let_go(&mut self, now_ms: u64) {
        self.lately.take_if(|lately| lately.is_over(now_ms));
    }
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
