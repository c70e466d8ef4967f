//! One open tap: its filter, its limits, and the bounded channel to its reader.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesh::tap::{Dropped, Filter, Sighting, Tap};
use mesh::workload::Workload;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::tap::scope::TapScope;

/// Pods that one tap covers. An unfiltered tap of a large mesh must not bring all of its traffic
/// here.
const PODS_MAX: usize = 256;

/// A reader that has taken nothing for this long while events were waiting is considered gone.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Up to this many pods, each may send the whole requested rate, so that one busy pod among idle
/// ones is shown completely. With more pods, each that joins gets a smaller rate. The control plane
/// also applies the rate to all pods together.
const FULL_RATE_PODS: u32 = 8;

/// One tap.
#[derive(Debug)]
pub struct OpenTap {
    /// Its number.
    pub id: u64,
    scope: TapScope,
    filter: Filter,
    per_second_max: u32,
    pods: AtomicUsize,
    channel: Mutex<ReaderChannel>,
    losses: Mutex<TapLosses>,
}

/// The channel to a reader, and the state of its rate limit.
#[derive(Debug)]
struct ReaderChannel {
    events: Option<mpsc::Sender<TapEvent>>,
    full_since: Option<Instant>,
    second: u64,
    passed: u32,
}

/// An event of a tap.
#[derive(Debug, Clone, PartialEq)]
pub enum TapEvent {
    /// The tap now covers this pod.
    Joined(Arc<Workload>),
    /// The tap does not cover this pod any more.
    Left(Arc<Workload>),
    /// The pod has seen an exchange.
    Seen(Arc<Workload>, Box<Sighting>),
}

/// Counts of what a tap did not show, since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TapLosses {
    /// Exchanges over the requested rate.
    pub rate: u64,
    /// Exchanges lost in a full queue between a sidecar's worker and here.
    pub queue: u64,
    /// Exchanges that the reader did not take in time.
    pub reader: u64,
    /// Exchanges that do not match the filter.
    pub unasked: u64,
    /// Pods that are not tapped because there are too many.
    pub pods: u64,
}

impl OpenTap {
    /// Creates a tap that no sidecar knows yet; its events go to `events`.
    pub(super) fn new(scope: TapScope, filter: Filter, per_second_max: u32, events: mpsc::Sender<TapEvent>) -> Self {
        let channel = ReaderChannel { events: Some(events), full_since: None, second: 0, passed: 0 };
        Self {
            id: 0,
            scope,
            filter,
            per_second_max,
            pods: AtomicUsize::new(0),
            channel: Mutex::new(channel),
            losses: Mutex::default(),
        }
    }

    /// Sets the number.
    pub(super) fn with_id(self, id: u64) -> Self {
        Self { id, ..self }
    }

    /// Returns whether the tap covers a sidecar of this workload.
    pub fn covers(&self, workload: &Workload) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        self.scope.sees.contain(&workload.namespace)
            && is(&self.scope.namespace, &workload.namespace)
            && is(&self.scope.service, &workload.service)
            && is(&self.scope.pod, &workload.pod)
    }

    /// Adds a pod to the tap; returns whether there is room for it.
    pub fn join(&self, pod: &Arc<Workload>) -> bool {
        let is_in = self.pods.fetch_update(Relaxed, Relaxed, |pods| (pods < PODS_MAX).then_some(pods + 1)).is_ok();
        if is_in {
            self.send(TapEvent::Joined(Arc::clone(pod)));
        } else {
            self.count_loss(|lost| lost.pods += 1);
        }
        is_in
    }

    /// Removes a pod that had joined.
    pub fn leave(&self, pod: &Arc<Workload>) {
        self.pods.fetch_sub(1, Relaxed);
        self.send(TapEvent::Left(Arc::clone(pod)));
    }

    /// Returns the tap as it is sent to a sidecar.
    pub fn for_sidecar(&self) -> Tap {
        let pods = u32::try_from(self.pods.load(Relaxed)).unwrap_or(u32::MAX);
        let share = u64::from(self.per_second_max) * u64::from(FULL_RATE_PODS) / u64::from(pods.max(FULL_RATE_PODS));
        Tap { id: self.id, filter: self.filter.clone(), per_second_max: (share as u32).max(1) }
    }

    /// Handles an exchange from a sidecar: shows it if it matches the filter, is within the rate,
    /// and the reader keeps up. Returns whether it matches the filter.
    pub fn offer(&self, pod: &Arc<Workload>, seen: Sighting, now_s: u64) -> bool {
        if !self.filter.holds(&seen.endpoint, seen.exchange.status) {
            self.count_loss(|lost| lost.unasked += 1);
            return false;
        }
        if self.count_in_second(now_s) > self.per_second_max {
            self.count_loss(|lost| lost.rate += 1);
        } else {
            self.send(TapEvent::Seen(Arc::clone(pod), Box::new(seen)));
        }
        true
    }

    /// Counts what a sidecar has dropped by itself.
    pub fn dropped(&self, dropped: Dropped) {
        self.count_loss(|lost| {
            lost.rate = lost.rate.saturating_add(dropped.over_rate);
            lost.queue = lost.queue.saturating_add(dropped.over_queue);
        });
    }

    /// Returns the counts of what was not shown so far.
    pub fn losses(&self) -> TapLosses {
        *self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the reader has taken nothing for so long that the tap must end.
    pub fn is_stalled(&self) -> bool {
        self.channel().full_since.is_some_and(|since| since.elapsed() >= STALLED_AFTER)
    }

    /// Closes the channel; the reader then finds the end of the stream.
    pub fn close(&self) {
        self.channel().events = None;
    }

    /// Simulates a reader that has stalled for long.
    #[cfg(test)]
    pub(crate) fn stall(&self) {
        self.channel().full_since = Instant::now().checked_sub(STALLED_AFTER);
    }

    /// Counts an exchange, and returns how many there were in this second.
    fn count_in_second(&self, now_s: u64) -> u32 {
        let mut channel = self.channel();
        if channel.second != now_s {
            (channel.second, channel.passed) = (now_s, 0);
        }
        channel.passed += 1;
        channel.passed
    }

    fn send(&self, event: TapEvent) {
        let mut channel = self.channel();
        let is_sent = channel.events.as_ref().is_some_and(|events| events.try_send(event).is_ok());
        channel.full_since = if is_sent { None } else { channel.full_since.or_else(|| Some(Instant::now())) };
        drop(channel);
        if !is_sent {
            self.count_loss(|lost| lost.reader += 1);
        }
    }

    fn count_loss(&self, count: impl FnOnce(&mut TapLosses)) {
        count(&mut self.losses.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn channel(&self) -> MutexGuard<'_, ReaderChannel> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
