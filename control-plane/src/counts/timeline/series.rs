//! One endpoint of one service over time: totals since the pods started, and the last hour in slots.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;
use mesh::stable_hash::short_id;

use crate::counts::timeline::counted_span::CountedSpan;
use crate::counts::timeline::history::{Grain, SeriesHistory};
use crate::counts::timeline::origins::OriginGuard;
use crate::counts::timeline::quota::QuotaShare;
use crate::counts::timeline::series::pending::SeriesCounts;
use crate::counts::timeline::time_range::TimeRange;
use crate::model::reporter::Reporter;
use crate::model::slot_outcomes::{OUTCOME_MS, SlotOutcome, SlotOutcomes};
use crate::model::traffic::TrafficPoint;
use crate::store::metrics_store::SeriesName;

mod pending;

/// Slots of [`SlotOutcomes`]: one hour.
const OUTCOMES: usize = 360;

/// One endpoint of one service, summed over its pods.
#[derive(Debug)]
pub struct Series {
    /// Unique within a timeline, counts up from 0.
    pub number: usize,
    /// A stable name for URLs and element ids: `e` and 12 hex digits.
    pub id: String,
    /// The namespace of the service.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The endpoint.
    pub endpoint: Endpoint,
    started_ms: u64,
    is_file: AtomicBool,
    in_flight: AtomicU64,
    /// The address that created it, if it counts towards the limit of one.
    origin: Option<OriginGuard>,
    counted: Mutex<SeriesCounts>,
}

impl Series {
    pub(super) fn new(number: usize, name: (Reporter<'_>, &Endpoint), started_ms: u64, slots: &Arc<QuotaShare>) -> Self {
        let (reporter, endpoint) = name;
        Self {
            number,
            id: id_of(reporter, endpoint),
            namespace: reporter.namespace.to_owned(),
            service: reporter.service.to_owned(),
            endpoint: endpoint.clone(),
            started_ms,
            is_file: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            origin: None,
            counted: Mutex::new(SeriesCounts::nothing(slots)),
        }
    }

    /// Sets the address whose limit it counts towards.
    pub(super) fn brought_by(self, origin: Option<OriginGuard>) -> Self {
        Self { origin, ..self }
    }

    /// Its name in the store, independent of its number.
    pub fn name(&self) -> SeriesName {
        SeriesName { namespace: self.namespace.clone(), service: self.service.clone(), endpoint: self.endpoint.clone() }
    }

    /// Adds counts that a pod reports, and the times of its first and last request. Counts are
    /// spread evenly over the time that they cover. The part before the timeline began is in the
    /// totals only. Request times after the end of `span` are cut: the pod's clock is ahead.
    pub fn was_told(&self, span: CountedSpan, golden: &GoldenMetrics, seen: Option<Seen>) {
        let mut counted = self.hold();
        if let Some(into) = counted.into.clone() {
            drop(counted);
            return into.was_told(span, golden, seen);
        }
        if let Some(Seen { first_ms, last_ms }) = seen {
            let believed = Seen { first_ms: first_ms.min(span.to_ms), last_ms: last_ms.min(span.to_ms) };
            counted.seen = Some(counted.seen.map_or(believed, |known| known.and(believed)));
        }
        if !golden.is_empty() {
            counted.add(span, self.started_ms, golden);
        }
    }

    /// Adds a total from the store.
    pub fn restore_total(&self, seen: Option<Seen>, golden: &GoldenMetrics) {
        let mut counted = self.booked();
        counted.totals.merge(golden);
        counted.seen = counted.seen.into_iter().chain(seen).reduce(Seen::and);
    }

    /// Adds a ten-second slot of the last hour from the store; the total contains it already.
    pub fn restore_slot(&self, from_ms: u64, golden: &GoldenMetrics, now_ms: u64) {
        let mut counted = self.booked();
        counted.history.restore(from_ms, golden, now_ms);
        counted.weigh();
    }

    /// The total since the pods started that is on disk, or will be: living processes still hand
    /// over their counts.
    pub fn totals(&self) -> GoldenMetrics {
        let counted = self.booked();
        counted.lost.as_ref().map_or_else(|| counted.totals.clone(), |lost| counted.totals.since(lost))
    }

    /// The total ever reported here, including counts that were lost later: it never decreases.
    pub fn ever_told(&self) -> GoldenMetrics {
        self.booked().totals.clone()
    }

    /// Subtracts counts that were lost with their process before they reached disk, or that belong
    /// to another series. The slots of the last hour keep them: they happened, and they help to
    /// find why a pod was killed.
    pub(crate) fn is_without(&self, golden: &GoldenMetrics) {
        let mut counted = self.hold();
        if let Some(into) = counted.into.clone() {
            drop(counted);
            return into.is_without(golden);
        }
        counted.lost.get_or_insert_default().merge(golden);
    }

    /// Adds counts back that were subtracted as lost.
    pub(crate) fn has_again(&self, golden: &GoldenMetrics) {
        let mut counted = self.hold();
        if let Some(into) = counted.into.clone() {
            drop(counted);
            return into.has_again(golden);
        }
        counted.lost = counted.lost.take().map(|lost| Box::new(lost.since(golden))).filter(|lost| !lost.is_empty());
    }

    /// Returns the counts within a time range.
    pub fn between(&self, stretch: TimeRange) -> GoldenMetrics {
        self.booked().history.sum(stretch)
    }

    /// Returns the counts in each step of a time range, oldest first. A step consists of whole
    /// slots: one second long within the last five minutes, ten seconds long before.
    pub fn steps(&self, stretch: TimeRange, step_ms: u64) -> Vec<GoldenMetrics> {
        let steps = (stretch.to_ms - stretch.from_ms).div_ceil(step_ms.max(1)) as usize;
        let mut sums = vec![GoldenMetrics::default(); steps];
        let counted = self.booked();
        counted.history.each_slot(stretch, Grain::Fine, |from_ms, _, golden| {
            let step = from_ms.saturating_sub(stretch.from_ms) / step_ms.max(1);
            if let Some(sum) = sums.get_mut(step as usize) {
                sum.merge(golden);
            }
        });
        for (step, sum) in sums.iter_mut().enumerate() {
            let from_ms = stretch.from_ms + step as u64 * step_ms;
            counted.history.add_coarse(TimeRange { from_ms, to_ms: (from_ms + step_ms).min(stretch.to_ms) }, sum);
        }
        sums
    }

    /// Returns the traffic of a time range in `points` steps, oldest first.
    pub fn traffic(&self, stretch: TimeRange, points: usize) -> Arc<[TrafficPoint]> {
        self.booked().history.traffic(stretch, points)
    }

    /// Returns the outcomes of the requests of the last hour.
    pub fn outcomes(&self, now_ms: u64) -> SlotOutcomes {
        let stretch = TimeRange::steps(OUTCOME_MS, OUTCOMES, now_ms);
        let mut slots = vec![SlotOutcome::default(); OUTCOMES];
        let counted = self.booked();
        counted.history.each_slot(stretch, Grain::Coarse, |from_ms, _, golden| {
            let at = from_ms.saturating_sub(stretch.from_ms) / OUTCOME_MS;
            if let Some(slot) = slots.get_mut(at as usize) {
                let outcome = SlotOutcome::of(golden);
                slot.served = slot.served.saturating_add(outcome.served);
                slot.failures = slot.failures.saturating_add(outcome.failures);
            }
        });
        let began_ms = counted.seen.map_or(self.started_ms, |seen| seen.first_ms.max(self.started_ms));
        SlotOutcomes { from_ms: stretch.from_ms, began_ms, slots: slots.into() }
    }

    /// The median of its per-minute p95 over the last hour, in microseconds; `None` until there are
    /// a few minutes.
    pub fn usual_p95_us(&self, now_ms: u64) -> Option<f64> {
        self.booked().history.usual_p95_us(now_ms)
    }

    /// Merges this series into another, including its past counts. Holders of this one then count
    /// in the other.
    pub fn fold_into(&self, into: &Arc<Self>) {
        let mut old = self.booked();
        let mut new = into.booked();
        old.into = Some(Arc::clone(into));
        new.totals.merge(&old.totals);
        new.seen = new.seen.into_iter().chain(old.seen).reduce(Seen::and);
        new.history.merge(&old.history);
        if let Some(lost) = old.lost.take() {
            new.lost.get_or_insert_default().merge(&lost);
        }
        new.called_before.merge(&std::mem::take(&mut old.called_before));
        if self.is_file() {
            into.is_a_file();
        }
        (old.totals, old.seen, old.history) = (GoldenMetrics::default(), None, SeriesHistory::new());
        old.weigh();
        new.weigh();
    }

    /// Returns the series that counts for this one: itself, unless it was merged into another.
    pub fn settled(self: &Arc<Self>) -> Arc<Self> {
        let into = self.hold().into.clone();
        into.map_or_else(|| Arc::clone(self), |into| into.settled())
    }

    /// Drops slots that are too old at `now_ms`.
    pub(super) fn let_go(&self, now_ms: u64) {
        let mut counted = self.booked();
        counted.history.reach(now_ms);
        counted.weigh();
    }

    /// Time of the last request that its pods report, milliseconds since the Unix epoch; 0 if there
    /// was none.
    pub(super) fn last_ms(&self) -> u64 {
        self.seen().map_or(0, |seen| seen.last_ms)
    }

    /// Returns whether it counts towards the limit of an address.
    pub(super) fn is_brought(&self) -> bool {
        self.origin.is_some()
    }

    /// Returns whether it has ever counted anything.
    pub(super) fn was_ever_asked(&self) -> bool {
        let counted = self.booked();
        counted.seen.is_some() || !counted.totals.is_empty()
    }

    /// Times of the first and last request that its pods report.
    pub fn seen(&self) -> Option<Seen> {
        self.hold().seen
    }

    /// Caller statistics of evicted pods and ended processes.
    pub fn called_before(&self) -> Callers {
        self.hold().called_before.clone()
    }

    /// Adds the caller statistics of a pod that does not report any more.
    pub(crate) fn was_called_by(&self, callers: &Callers) {
        if callers.is_empty() {
            return;
        }
        let mut counted = self.hold();
        if let Some(into) = counted.into.clone() {
            drop(counted);
            return into.was_called_by(callers);
        }
        counted.called_before.merge(callers);
    }

    /// Requests in flight on all connected pods.
    pub fn in_flight(&self) -> u32 {
        u32::try_from(self.in_flight.load(Ordering::Relaxed)).unwrap_or(u32::MAX)
    }

    /// Updates the requests in flight of one pod from `before` to `now`.
    pub(crate) fn in_flight_changed(&self, before: u32, now: u32) {
        if now > before {
            self.in_flight.fetch_add(u64::from(now - before), Ordering::Relaxed);
        } else if now < before {
            self.in_flight.fetch_sub(u64::from(before - now), Ordering::Relaxed);
        }
    }

    /// Returns whether its path names a file.
    pub fn is_file(&self) -> bool {
        self.is_file.load(Ordering::Relaxed)
    }

    /// Marks its path as the name of a file.
    pub fn is_a_file(&self) {
        self.is_file.store(true, Ordering::Relaxed);
    }

    /// Locks the counts, with all pending counts added.
    fn booked(&self) -> MutexGuard<'_, SeriesCounts> {
        let mut counted = self.hold();
        counted.book();
        counted
    }

    fn hold(&self) -> MutexGuard<'_, SeriesCounts> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Computes an endpoint's id, equal for the same names in every process.
pub fn id_of(reporter: Reporter<'_>, endpoint: &Endpoint) -> String {
    let parts = [reporter.namespace, reporter.service, endpoint.method(), endpoint.route()];
    short_id('e', parts.into_iter().flat_map(|part| part.bytes().chain([0xff])))
}
