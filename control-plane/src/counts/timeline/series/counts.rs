//! The counts of one series: the running second is pending, and is added once when it ends or when a reader needs it.

use mesh::callers::Callers;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::counts::timeline::counted_span::CountedSpan;
use crate::counts::timeline::history::SeriesHistory;
use crate::counts::timeline::quota::QuotaUse;
use crate::counts::timeline::resting_counts::{RestingCounts, RestingParts};
use crate::counts::timeline::series_service::SeriesService;

/// The counts of a series.
#[derive(Debug)]
pub(super) struct SeriesCounts {
    pub(super) totals: GoldenMetrics,
    /// Counts that are in the totals and will never be on disk.
    pub(super) lost: Option<Box<GoldenMetrics>>,
    pub(super) seen: Option<Seen>,
    pub(super) history: SeriesHistory,
    slots: QuotaUse,
    /// Hundreds of pods report the same second. Adding each report to the totals and two rings
    /// would be most of the work.
    running: Running,
    /// Caller statistics of evicted pods and ended processes.
    pub(super) past_callers: Callers,
}

/// Pending counts of one short slot, not yet in the totals or the history.
#[derive(Debug, Default)]
struct Running {
    slot: u64,
    at_ms: u64,
    golden: GoldenMetrics,
}

impl SeriesCounts {
    /// The counts of a series of this service, from those at rest.
    pub(super) fn from_resting(resting: &RestingCounts, service: &SeriesService) -> Self {
        let mut counted = Self {
            totals: GoldenMetrics::default(),
            lost: None,
            seen: None,
            history: SeriesHistory::new(),
            slots: service.slots.new_use(),
            running: Running::default(),
            past_callers: Callers::default(),
        };
        let RestingParts { span, seen, totals, lost } = resting.unpack();
        counted.seen = seen;
        match span {
            Some(span) => counted.add(span, service.started_ms, &totals),
            None => counted.totals = totals,
        }
        counted.lost = (!lost.is_empty()).then(|| Box::new(lost));
        counted
    }

    /// The counts at rest, if no more is to be kept than the totals.
    pub(super) fn rest(&self) -> Option<RestingCounts> {
        let has_only_totals = self.history.bytes() == 0 && self.past_callers.is_empty();
        has_only_totals.then(|| {
            let lost = self.lost.as_deref().cloned().unwrap_or_default();
            RestingCounts::new(&RestingParts { span: None, seen: self.seen, totals: self.totals.clone(), lost })
        })
    }

    /// Adds the times of a first and a last request.
    pub(super) fn see(&mut self, seen: Option<Seen>) {
        self.seen = self.seen.into_iter().chain(seen).reduce(Seen::and);
    }

    /// Adds all counts of another series.
    pub(super) fn merge(&mut self, mut other: Self) {
        other.flush();
        self.flush();
        self.totals.merge(&other.totals);
        self.see(other.seen);
        self.history.merge(&other.history);
        if let Some(lost) = other.lost {
            self.lost.get_or_insert_default().merge(&lost);
        }
        self.past_callers.merge(&other.past_callers);
        self.update_quota();
    }

    /// Adds counts, spread evenly over the time that they cover, from `since_ms` on.
    pub(super) fn add(&mut self, span: CountedSpan, since_ms: u64, golden: &GoldenMetrics) {
        let Some(slot) = span.slot() else {
            // In order: the clock may have been set back in between, and counts older than the
            // rings are dropped.
            self.flush();
            self.totals.merge(golden);
            return self.add_to_slots(span, since_ms, golden);
        };
        if slot != self.running.slot {
            self.flush();
        }
        (self.running.slot, self.running.at_ms) = (slot, span.to_ms);
        self.running.golden.merge(golden);
    }

    /// Adds the pending counts. Readers of the other fields must call this first.
    pub(super) fn flush(&mut self) {
        if self.running.golden.is_empty() {
            return;
        }
        let golden = std::mem::take(&mut self.running.golden);
        self.totals.merge(&golden);
        let at_ms = self.running.at_ms;
        self.add_to_slots(CountedSpan { from_ms: at_ms, to_ms: at_ms }, at_ms, &golden);
    }

    /// Counts that exceed the quota of the slots are in the totals only.
    fn add_to_slots(&mut self, span: CountedSpan, since_ms: u64, golden: &GoldenMetrics) {
        if self.slots.admits(golden.weight()) {
            self.history.add(span, since_ms, golden);
        } else {
            self.history.expire(span.to_ms);
        }
        self.update_quota();
    }

    /// Updates the memory quota after the slots have changed.
    pub(super) fn update_quota(&mut self) {
        self.slots.resize(self.history.bytes());
    }
}
