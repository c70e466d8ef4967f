//! One endpoint of one service over time: totals since the pods started, and the last hour in slots.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;
use mesh::stable_hash::ShortId;

use crate::address_limiter::AddressPermit;
use crate::counts::timeline::counted_span::CountedSpan;
use crate::counts::timeline::quota::CountQuota;
use crate::counts::timeline::resting_counts::RestingCounts;
use crate::counts::timeline::series::counts::SeriesCounts;
use crate::counts::timeline::series_service::SeriesService;
use crate::model::reporter::Reporter;
use crate::store::metrics_store::SeriesName;

mod counts;
mod reading;

/// One endpoint of one service, summed over its pods. An endpoint that was called once takes a few hundred bytes: a
/// hostile sidecar may name thousands.
#[derive(Debug)]
pub struct Series {
    /// Unique within a timeline, counts up from 0.
    pub number: usize,
    /// A stable name for URLs and element ids: `e` and 12 hex digits.
    pub id: ShortId,
    /// The endpoint.
    pub endpoint: Endpoint,
    service: Arc<SeriesService>,
    is_file: AtomicBool,
    in_flight: AtomicU64,
    /// The address that created it, if it counts towards the limit of one.
    origin: Option<AddressPermit>,
    counted: Mutex<SeriesState>,
}

/// How a series holds its counts.
#[derive(Debug)]
enum SeriesState {
    /// In few bytes, until more counts come.
    Resting(RestingCounts),
    /// Ready for more.
    Open(Box<SeriesCounts>),
    /// Its endpoint was renamed, and this series counts for it. No count is added to a series that was merged.
    Merged(Arc<Series>),
}

impl Series {
    pub(super) fn new(number: usize, service: &Arc<SeriesService>, endpoint: &Endpoint, origin: Option<AddressPermit>) -> Self {
        Self {
            number,
            id: id_of(Reporter { namespace: &service.namespace, service: &service.service }, endpoint),
            endpoint: endpoint.clone(),
            service: Arc::clone(service),
            is_file: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            origin,
            counted: Mutex::new(SeriesState::Resting(RestingCounts::default())),
        }
    }

    /// The namespace of its service.
    pub fn namespace(&self) -> &str {
        &self.service.namespace
    }

    /// Its service.
    pub fn service(&self) -> &str {
        &self.service.service
    }

    /// The quota for the recent minutes of single pods.
    pub(crate) fn recent_quota(&self) -> &Arc<CountQuota> {
        &self.service.recent
    }

    /// Its name in the store, independent of its number.
    pub fn name(&self) -> SeriesName {
        let (namespace, service) = (self.namespace().to_owned(), self.service().to_owned());
        SeriesName { namespace, service, endpoint: self.endpoint.clone() }
    }

    /// Adds counts that a pod reports, and the times of its first and last request. Counts are
    /// spread evenly over the time that they cover. The part before the timeline began is in the
    /// totals only. Request times after the end of `span` are cut: the pod's clock is ahead.
    pub fn record(&self, span: CountedSpan, golden: &GoldenMetrics, seen: Option<Seen>) {
        let cut = |Seen { first_ms, last_ms }| Seen { first_ms: first_ms.min(span.to_ms), last_ms: last_ms.min(span.to_ms) };
        let seen = seen.map(cut);
        if golden.is_empty() && seen.is_none() {
            return;
        }
        let mut state = self.lock();
        match &mut *state {
            SeriesState::Resting(nothing) if nothing.is_empty() => {
                *nothing = if golden.is_empty() {
                    RestingCounts::of_totals(seen, golden)
                } else {
                    RestingCounts::of_report(span, seen, golden)
                };
            }
            _ => self.change_locked(state, |counted| {
                counted.see(seen);
                if !golden.is_empty() {
                    counted.add(span, self.service.started_ms, golden);
                }
            }),
        }
    }

    /// Adds a total from the store.
    pub fn restore_total(&self, seen: Option<Seen>, golden: &GoldenMetrics) {
        let mut state = self.lock();
        match &mut *state {
            SeriesState::Resting(nothing) if nothing.is_empty() => *nothing = RestingCounts::of_totals(seen, golden),
            _ => self.change_locked(state, |counted| {
                counted.flush();
                counted.totals.merge(golden);
                counted.see(seen);
            }),
        }
    }

    /// Adds a ten-second slot of the last hour from the store; the total contains it already.
    pub fn restore_slot(&self, from_ms: u64, golden: &GoldenMetrics, now_ms: u64) {
        self.change(|counted| {
            counted.flush();
            counted.history.restore(from_ms, golden, now_ms);
            counted.update_quota();
        });
    }

    /// Subtracts counts that were lost with their process before they reached disk, or that belong
    /// to another series. The slots of the last hour keep them: they happened, and they help to
    /// find why a pod was killed.
    pub(crate) fn subtract_lost(&self, golden: &GoldenMetrics) {
        let mut state = self.lock();
        match &mut *state {
            SeriesState::Resting(resting) => {
                let mut parts = resting.unpack();
                parts.lost.merge(golden);
                *resting = RestingCounts::new(&parts);
            }
            _ => self.change_locked(state, |counted| counted.lost.get_or_insert_default().merge(golden)),
        }
    }

    /// Adds counts back that were subtracted as lost.
    pub(crate) fn restore_lost(&self, golden: &GoldenMetrics) {
        self.change(|counted| {
            counted.lost = counted.lost.take().map(|lost| Box::new(lost.since(golden))).filter(|lost| !lost.is_empty());
        });
    }

    /// Merges this series into another, including its past counts. Holders of this one then count
    /// in the other.
    pub fn merge_into(&self, into: &Arc<Self>) {
        let mut state = self.lock();
        let counted = match std::mem::replace(&mut *state, SeriesState::Merged(Arc::clone(into))) {
            SeriesState::Resting(counts) => Box::new(SeriesCounts::from_resting(&counts, &self.service)),
            SeriesState::Open(counts) => counts,
            merged @ SeriesState::Merged(_) => {
                *state = merged;
                return;
            }
        };
        into.change(|sum| sum.merge(*counted));
        if self.is_file() {
            into.mark_as_file();
        }
    }

    /// Returns the series that counts for this one: itself, unless it was merged into another.
    pub fn canonical(self: &Arc<Self>) -> Arc<Self> {
        // A merge that is under way ends first.
        let into = match &*self.lock() {
            SeriesState::Merged(into) => Arc::clone(into),
            _ => return Arc::clone(self),
        };
        into.canonical()
    }

    /// Drops slots that are too old at `now_ms`.
    pub(super) fn expire_slots(&self, now_ms: u64) {
        let mut state = self.lock();
        if let SeriesState::Open(counted) = &mut *state {
            counted.flush();
            counted.history.expire(now_ms);
            counted.update_quota();
            if let Some(resting) = counted.rest() {
                *state = SeriesState::Resting(resting);
            }
        }
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
        match &mut *self.lock() {
            SeriesState::Resting(resting) => !resting.is_empty(),
            SeriesState::Open(counted) => {
                counted.flush();
                counted.seen.is_some() || !counted.totals.is_empty()
            }
            SeriesState::Merged(_) => false,
        }
    }

    /// Returns whether it is one of the endpoints that users see: the shared series of a service is one once something
    /// was counted in it, or is in flight.
    pub fn is_shown(&self) -> bool {
        !self.endpoint.is_other() || self.has_counted() || self.in_flight() > 0
    }

    /// Times of the first and last request that its pods report.
    pub fn seen(&self) -> Option<Seen> {
        match &*self.lock() {
            SeriesState::Resting(resting) => resting.seen(),
            SeriesState::Open(counted) => counted.seen,
            SeriesState::Merged(_) => None,
        }
    }

    /// Caller statistics of evicted pods and ended processes.
    pub fn past_callers(&self) -> Callers {
        match &*self.lock() {
            SeriesState::Open(counted) => counted.past_callers.clone(),
            SeriesState::Resting(_) | SeriesState::Merged(_) => Callers::default(),
        }
    }

    /// Adds the caller statistics of a pod that does not report any more.
    pub(crate) fn add_past_callers(&self, callers: &Callers) {
        if !callers.is_empty() {
            self.change(|counted| counted.past_callers.merge(callers));
        }
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

    /// Changes the counts of this series, or of the one that counts for it.
    fn change(&self, change: impl FnOnce(&mut SeriesCounts)) {
        self.change_locked(self.lock(), change);
    }

    fn change_locked(&self, mut state: MutexGuard<'_, SeriesState>, change: impl FnOnce(&mut SeriesCounts)) {
        if let SeriesState::Resting(counts) = &*state {
            *state = SeriesState::Open(Box::new(SeriesCounts::from_resting(counts, &self.service)));
        }
        let into = match &mut *state {
            SeriesState::Open(counted) => return change(counted),
            SeriesState::Merged(into) => Arc::clone(into),
            SeriesState::Resting(_) => unreachable!("it was opened above"),
        };
        drop(state);
        into.change(change);
    }

    fn lock(&self) -> MutexGuard<'_, SeriesState> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Computes an endpoint's id, equal for the same names in every process.
pub fn id_of(reporter: Reporter<'_>, endpoint: &Endpoint) -> ShortId {
    let parts = [reporter.namespace, reporter.service, endpoint.method(), endpoint.route()];
    ShortId::new(b'e', parts.into_iter().flat_map(|part| part.bytes().chain([0xff])))
}
