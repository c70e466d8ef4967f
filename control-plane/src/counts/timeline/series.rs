//! One endpoint of one service over time: totals since the pods started, and the last hour in slots.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;
use mesh::stable_hash::short_id;

use crate::address_limiter::AddressPermit;
use crate::counts::timeline::counted_span::CountedSpan;
use crate::counts::timeline::history::SeriesHistory;
use crate::counts::timeline::quota::QuotaShare;
use crate::counts::timeline::series::pending::SeriesCounts;
use crate::counts::timeline::time_range::TimeRange;
use crate::model::reporter::Reporter;
use crate::model::slot_outcomes::{OUTCOME_MS, SlotOutcomes};
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
    origin: Option<AddressPermit>,
    counted: Mutex<SeriesCounts>,
    /// The series that counts for this one since its endpoint was renamed. Set and read under the lock of `counted`, so
    /// that no count is added to a series that was merged.
    into: OnceLock<Arc<Self>>,
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
            counted: Mutex::new(SeriesCounts::new(slots)),
            into: OnceLock::new(),
        }
    }

    /// Sets the address whose limit it counts towards.
    pub(super) fn with_origin(self, origin: Option<AddressPermit>) -> Self {
        Self { origin, ..self }
    }

    /// Its name in the store, independent of its number.
    pub fn name(&self) -> SeriesName {
        SeriesName { namespace: self.namespace.clone(), service: self.service.clone(), endpoint: self.endpoint.clone() }
    }

    /// Adds counts that a pod reports, and the times of its first and last request. Counts are
    /// spread evenly over the time that they cover. The part before the timeline began is in the
    /// totals only. Request times after the end of `span` are cut: the pod's clock is ahead.
    pub fn record(&self, span: CountedSpan, golden: &GoldenMetrics, seen: Option<Seen>) {
        let mut counted = self.lock();
        if let Some(into) = self.into.get() {
            drop(counted);
            return into.record(span, golden, seen);
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
        let mut counted = self.lock_flushed();
        counted.totals.merge(golden);
        counted.seen = counted.seen.into_iter().chain(seen).reduce(Seen::and);
    }

    /// Adds a ten-second slot of the last hour from the store; the total contains it already.
    pub fn restore_slot(&self, from_ms: u64, golden: &GoldenMetrics, now_ms: u64) {
        let mut counted = self.lock_flushed();
        counted.history.restore(from_ms, golden, now_ms);
        counted.update_quota();
    }

    /// The total since the pods started that is on disk, or will be: living processes still hand
    /// over their counts.
    pub fn totals(&self) -> GoldenMetrics {
        let counted = self.lock_flushed();
        counted.lost.as_ref().map_or_else(|| counted.totals.clone(), |lost| counted.totals.since(lost))
    }

    /// The total ever reported here, including counts that were lost later: it never decreases.
    pub fn lifetime_totals(&self) -> GoldenMetrics {
        self.lock_flushed().totals.clone()
    }

    /// Subtracts counts that were lost with their process before they reached disk, or that belong
    /// to another series. The slots of the last hour keep them: they happened, and they help to
    /// find why a pod was killed.
    pub(crate) fn subtract_lost(&self, golden: &GoldenMetrics) {
        let mut counted = self.lock();
        if let Some(into) = self.into.get() {
            drop(counted);
            return into.subtract_lost(golden);
        }
        counted.lost.get_or_insert_default().merge(golden);
    }

    /// Adds counts back that were subtracted as lost.
    pub(crate) fn restore_lost(&self, golden: &GoldenMetrics) {
        let mut counted = self.lock();
        if let Some(into) = self.into.get() {
            drop(counted);
            return into.restore_lost(golden);
        }
        counted.lost = counted.lost.take().map(|lost| Box::new(lost.since(golden))).filter(|lost| !lost.is_empty());
    }

    /// Returns the counts within a time range.
    pub fn between(&self, range: TimeRange) -> GoldenMetrics {
        self.lock_flushed().history.sum(range)
    }

    /// Returns the counts in each step of a time range, oldest first. A step consists of whole
    /// slots: one second long within the last five minutes, ten seconds long before.
    pub fn steps(&self, range: TimeRange, step_ms: u64) -> Vec<GoldenMetrics> {
        self.lock_flushed().history.steps(range, step_ms)
    }

    /// Returns the traffic of a time range in `points` steps, oldest first.
    pub fn traffic(&self, range: TimeRange, points: usize) -> Arc<[TrafficPoint]> {
        self.lock_flushed().history.traffic(range, points)
    }

    /// Returns the outcomes of the requests of the last hour.
    pub fn outcomes(&self, now_ms: u64) -> SlotOutcomes {
        let range = TimeRange::steps(OUTCOME_MS, OUTCOMES, now_ms);
        let counted = self.lock_flushed();
        let slots = counted.history.outcomes(range, OUTCOMES);
        let began_ms = counted.seen.map_or(self.started_ms, |seen| seen.first_ms.max(self.started_ms));
        SlotOutcomes { from_ms: range.from_ms, began_ms, slots: slots.into() }
    }

    /// The median of its per-minute p95 over the last hour, in microseconds; `None` until there are
    /// a few minutes.
    pub fn usual_p95_us(&self, now_ms: u64) -> Option<f64> {
        self.lock_flushed().history.usual_p95_us(now_ms)
    }

    /// Merges this series into another, including its past counts. Holders of this one then count
    /// in the other.
    pub fn merge_into(&self, into: &Arc<Self>) {
        let mut old = self.lock_flushed();
        let mut new = into.lock_flushed();
        if self.into.set(Arc::clone(into)).is_err() {
            return;
        }
        new.totals.merge(&old.totals);
        new.seen = new.seen.into_iter().chain(old.seen).reduce(Seen::and);
        new.history.merge(&old.history);
        if let Some(lost) = old.lost.take() {
            new.lost.get_or_insert_default().merge(&lost);
        }
        new.past_callers.merge(&std::mem::take(&mut old.past_callers));
        if self.is_file() {
            into.mark_as_file();
        }
        (old.totals, old.seen, old.history) = (GoldenMetrics::default(), None, SeriesHistory::new());
        old.update_quota();
        new.update_quota();
    }

    /// Returns the series that counts for this one: itself, unless it was merged into another.
    pub fn canonical(self: &Arc<Self>) -> Arc<Self> {
        // A merge that is under way ends first.
        let counted = self.lock();
        let Some(into) = self.into.get() else { return Arc::clone(self) };
        drop(counted);
        into.canonical()
    }

    /// Drops slots that are too old at `now_ms`.
    pub(super) fn expire_slots(&self, now_ms: u64) {
        let mut counted = self.lock_flushed();
        counted.history.expire(now_ms);
        counted.update_quota();
    }

    /// Time of the last request that its pods report, milliseconds since the Unix epoch; 0 if there
    /// was none.
    pub(super) fn last_ms(&self) -> u64 {
        self.seen().map_or(0, |seen| seen.last_ms)
    }

    /// Returns whether it counts towards the limit of an address.
    pub(super) fn has_origin(&self) -> bool {
        self.origin.is_some()
    }

    /// Returns whether it has ever counted anything, in memory or on disk.
    pub fn has_counted(&self) -> bool {
        let counted = self.lock_flushed();
        counted.seen.is_some() || !counted.totals.is_empty()
    }

    /// Times of the first and last request that its pods report.
    pub fn seen(&self) -> Option<Seen> {
        self.lock().seen
    }

    /// Caller statistics of evicted pods and ended processes.
    pub fn past_callers(&self) -> Callers {
        self.lock().past_callers.clone()
    }

    /// Adds the caller statistics of a pod that does not report any more.
    pub(crate) fn add_past_callers(&self, callers: &Callers) {
        if callers.is_empty() {
            return;
        }
        let mut counted = self.lock();
        if let Some(into) = self.into.get() {
            drop(counted);
            return into.add_past_callers(callers);
        }
        counted.past_callers.merge(callers);
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
    pub fn mark_as_file(&self) {
        self.is_file.store(true, Ordering::Relaxed);
    }

    /// Locks the counts, with all pending counts added.
    fn lock_flushed(&self) -> MutexGuard<'_, SeriesCounts> {
        let mut counted = self.lock();
        counted.flush();
        counted
    }

    fn lock(&self) -> MutexGuard<'_, SeriesCounts> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Computes an endpoint's id, equal for the same names in every process.
pub fn id_of(reporter: Reporter<'_>, endpoint: &Endpoint) -> String {
    let parts = [reporter.namespace, reporter.service, endpoint.method(), endpoint.route()];
    short_id('e', parts.into_iter().flat_map(|part| part.bytes().chain([0xff])))
}
