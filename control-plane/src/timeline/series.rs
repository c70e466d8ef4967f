//! One endpoint of one service over time: everything since the pods started, and the last hour in slots.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::snapshot::{OUTCOME_MS, Outcome, Outcomes, Traffic};
use crate::store::chronicle::SeriesName;
use crate::timeline::Reporter;
use crate::timeline::bytes_room::Share;
use crate::timeline::history::{Grain, History, Span};
use crate::timeline::origins::Origin;
use crate::timeline::series::booking::Counted;
use crate::timeline::stretch::Stretch;

mod booking;

/// Slots of [`Outcomes`]: an hour of them.
const OUTCOMES: usize = 360;

/// One endpoint of one service, added up over its pods.
#[derive(Debug)]
pub struct Series {
    /// Counts up from 0 within a timeline.
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
    /// The address that brought it, if it counts for one.
    origin: Option<Origin>,
    counted: Mutex<Counted>,
}

impl Series {
    pub(super) fn new(number: usize, name: (Reporter<'_>, &Endpoint), started_ms: u64, slots: &Arc<Share>) -> Self {
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
            counted: Mutex::new(Counted::nothing(slots)),
        }
    }

    /// It counts for this address.
    pub(super) fn brought_by(self, origin: Option<Origin>) -> Self {
        Self { origin, ..self }
    }

    /// By what it is known on disk, whatever its number.
    pub fn name(&self) -> SeriesName {
        SeriesName { namespace: self.namespace.clone(), service: self.service.clone(), endpoint: self.endpoint.clone() }
    }

    /// A pod tells what it has counted, and when it was asked. Counts are added evenly over the time that they tell of; what
    /// happened before the timeline began is in the totals only. A clock that runs ahead of ours is not believed.
    pub fn was_told(&self, span: Span, golden: &GoldenMetrics, seen: Option<Seen>) {
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

    /// Adds what is kept of the time before: all of it.
    pub fn restore_total(&self, seen: Option<Seen>, golden: &GoldenMetrics) {
        let mut counted = self.booked();
        counted.totals.merge(golden);
        counted.seen = counted.seen.into_iter().chain(seen).reduce(Seen::and);
    }

    /// Adds what is kept of ten seconds of the last hour, which is in the total already.
    pub fn restore_slot(&self, from_ms: u64, golden: &GoldenMetrics, now_ms: u64) {
        let mut counted = self.booked();
        counted.history.restore(from_ms, golden, now_ms);
        counted.weigh();
    }

    /// Everything since the pods started that is on disk, or will be: what living processes have told is handed over.
    pub fn totals(&self) -> GoldenMetrics {
        let counted = self.booked();
        counted.lost.as_ref().map_or_else(|| counted.totals.clone(), |lost| counted.totals.since(lost))
    }

    /// Everything that was ever told here, what was lost since then included: a sum that never becomes less.
    pub fn ever_told(&self) -> GoldenMetrics {
        self.booked().totals.clone()
    }

    /// Some of what was told here was lost with its process before it came to disk, or belongs elsewhere. The slots of the
    /// last hour keep it: it happened, and who looks for why a pod was killed needs it most.
    pub(crate) fn is_without(&self, golden: &GoldenMetrics) {
        let mut counted = self.hold();
        if let Some(into) = counted.into.clone() {
            drop(counted);
            return into.is_without(golden);
        }
        counted.lost.get_or_insert_default().merge(golden);
    }

    /// Some of what was given up for lost is not.
    pub(crate) fn has_again(&self, golden: &GoldenMetrics) {
        let mut counted = self.hold();
        if let Some(into) = counted.into.clone() {
            drop(counted);
            return into.has_again(golden);
        }
        counted.lost = counted.lost.take().map(|lost| Box::new(lost.since(golden))).filter(|lost| !lost.is_empty());
    }

    /// What happened in a stretch of time.
    pub fn between(&self, stretch: Stretch) -> GoldenMetrics {
        self.booked().history.sum(stretch)
    }

    /// What happened in each step of a stretch of time, oldest first. A step is whole slots: of one second within the last
    /// five minutes, of ten before.
    pub fn steps(&self, stretch: Stretch, step_ms: u64) -> Vec<GoldenMetrics> {
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
            counted.history.add_coarse(Stretch { from_ms, to_ms: (from_ms + step_ms).min(stretch.to_ms) }, sum);
        }
        sums
    }

    /// What happened in a stretch of time, in so many steps, oldest first.
    pub fn traffic(&self, stretch: Stretch, points: usize) -> Arc<[Traffic]> {
        self.booked().history.traffic(stretch, points)
    }

    /// What became of the requests of the last hour.
    pub fn outcomes(&self, now_ms: u64) -> Outcomes {
        let stretch = Stretch::steps(OUTCOME_MS, OUTCOMES, now_ms);
        let mut slots = vec![Outcome::default(); OUTCOMES];
        let counted = self.booked();
        counted.history.each_slot(stretch, Grain::Coarse, |from_ms, _, golden| {
            let at = from_ms.saturating_sub(stretch.from_ms) / OUTCOME_MS;
            if let Some(slot) = slots.get_mut(at as usize) {
                let outcome = Outcome::of(golden);
                slot.served = slot.served.saturating_add(outcome.served);
                slot.failures = slot.failures.saturating_add(outcome.failures);
            }
        });
        let began_ms = counted.seen.map_or(self.started_ms, |seen| seen.first_ms.max(self.started_ms));
        Outcomes { from_ms: stretch.from_ms, began_ms, slots: slots.into() }
    }

    /// The median of its p95 by minute over the last hour, in microseconds; `None` until there are a few minutes of it.
    pub fn usual_p95_us(&self, now_ms: u64) -> Option<f64> {
        self.booked().history.usual_p95_us(now_ms)
    }

    /// Counts everything in another series, what was counted before included. Whoever still holds this one counts there.
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
        (old.totals, old.seen, old.history) = (GoldenMetrics::default(), None, History::new());
        old.weigh();
        new.weigh();
    }

    /// The series in which this one is counted: itself, unless it was folded into another.
    pub fn settled(self: &Arc<Self>) -> Arc<Self> {
        let into = self.hold().into.clone();
        into.map_or_else(|| Arc::clone(self), |into| into.settled())
    }

    /// Lets go of slots that are over by now.
    pub(super) fn let_go(&self, now_ms: u64) {
        let mut counted = self.booked();
        counted.history.reach(now_ms);
        counted.weigh();
    }

    /// When it was asked last, as far as its pods know, in milliseconds since the Unix epoch; 0 if it never was.
    pub(super) fn last_ms(&self) -> u64 {
        self.seen().map_or(0, |seen| seen.last_ms)
    }

    /// Whether it counts for an address that brought it.
    pub(super) fn is_brought(&self) -> bool {
        self.origin.is_some()
    }

    /// Whether anything was ever counted in it.
    pub(super) fn was_ever_asked(&self) -> bool {
        let counted = self.booked();
        counted.seen.is_some() || !counted.totals.is_empty()
    }

    /// When it was asked first and last, as far as its pods know.
    pub fn seen(&self) -> Option<Seen> {
        self.hold().seen
    }

    /// Who has called pods that are forgotten, and processes that are over.
    pub fn called_before(&self) -> Callers {
        self.hold().called_before.clone()
    }

    /// A pod that was called by these is not heard of any more.
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

    /// Requests under way on all pods that have a stream.
    pub fn in_flight(&self) -> u32 {
        u32::try_from(self.in_flight.load(Ordering::Relaxed)).unwrap_or(u32::MAX)
    }

    /// One pod, which had `before` requests under way, has `now`.
    pub(crate) fn in_flight_changed(&self, before: u32, now: u32) {
        if now > before {
            self.in_flight.fetch_add(u64::from(now - before), Ordering::Relaxed);
        } else if now < before {
            self.in_flight.fetch_sub(u64::from(before - now), Ordering::Relaxed);
        }
    }

    /// Whether its path names a file.
    pub fn is_file(&self) -> bool {
        self.is_file.load(Ordering::Relaxed)
    }

    /// A pod says that its path names a file.
    pub fn is_a_file(&self) {
        self.is_file.store(true, Ordering::Relaxed);
    }

    /// With everything booked.
    fn booked(&self) -> MutexGuard<'_, Counted> {
        let mut counted = self.hold();
        counted.book();
        counted
    }

    fn hold(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An endpoint's id: the same for the same names in every process (64-bit FNV-1a, of which 48 bits are plenty for 65,536 names).
pub fn id_of(reporter: Reporter<'_>, endpoint: &Endpoint) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in [reporter.namespace, reporter.service, endpoint.method(), endpoint.route()] {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("e{:012x}", hash & 0xffff_ffff_ffff)
}
