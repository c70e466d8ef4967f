//! The taps that are open: what each wants to see, which sidecars see it, and the way to its reader.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mesh::tap::{Dropped, Filter, Sighting, Tap};
use mesh::workload::Workload;
use proto::convert::taps::TAPS_MAX;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::ingest::counts::Count;

/// Events on their way to one reader: what a terminal scrolls through in a few seconds.
const EVENTS_MAX: usize = 512;

/// Pods that one tap sees. An unfiltered tap of a large mesh must not bring all of its traffic here.
const PODS_MAX: usize = 256;

/// A reader who has taken nothing for so long, while there was something to take, does not read any more.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Up to so many pods, each may send as many a second as are wanted, so that one busy pod among idle ones is seen whole.
/// The more there are beyond, the less each that joins is told to send; and here the rate holds for all together.
const FULL_RATE_PODS: u32 = 8;

/// All taps.
#[derive(Debug)]
pub struct Taps {
    open: watch::Sender<Arc<Vec<Arc<OpenTap>>>>,
    ids: AtomicU64,
    /// Readers that were turned away because there were too many.
    pub turned_away: Count,
    /// Exchanges that no tap had asked the sidecar for.
    pub unasked: Count,
}

/// Which sidecars are to see a tap. What is not named is not asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of this service.
    pub service: Option<String>,
    /// Only this pod, by its name.
    pub pod: Option<String>,
}

/// One tap.
#[derive(Debug)]
pub struct OpenTap {
    /// Its number.
    pub id: u64,
    scope: Scope,
    filter: Filter,
    per_second_max: u32,
    pods: AtomicUsize,
    reader: Mutex<Way>,
    lost: Mutex<Lost>,
}

/// The way to a reader.
#[derive(Debug)]
struct Way {
    events: Option<mpsc::Sender<Event>>,
    full_since: Option<Instant>,
    second: u64,
    passed: u32,
}

/// What happens on a tap.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A pod is tapped from now on.
    Joined(Arc<Workload>),
    /// A pod is not any more.
    Left(Arc<Workload>),
    /// It has seen an exchange.
    Seen(Arc<Workload>, Box<Sighting>),
}

/// What a tap has seen and not shown, since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Over the rate that was asked for.
    pub rate: u64,
    /// The way from a sidecar's workers to here was full.
    pub queue: u64,
    /// The reader did not take it in time.
    pub reader: u64,
    /// It was not what was asked for.
    pub unasked: u64,
    /// Pods that are not tapped because there are too many.
    pub pods: u64,
}

/// A reader's end. Dropping it ends the tap, on all sidecars.
#[derive(Debug)]
pub struct Reader {
    taps: Arc<Taps>,
    /// The tap.
    pub tap: Arc<OpenTap>,
    /// What happens on it; ends if the reader was taken for gone.
    pub events: mpsc::Receiver<Event>,
}

/// There are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{TAPS_MAX} taps are open, which is the limit: end one, or try again in a moment")]
pub struct TooMany;

impl Default for Taps {
    fn default() -> Self {
        Self {
            open: watch::Sender::new(Arc::default()),
            ids: AtomicU64::new(1),
            turned_away: Count::default(),
            unasked: Count::default(),
        }
    }
}

impl Taps {
    /// Opens a tap, if there is room.
    pub fn open(self: &Arc<Self>, scope: Scope, filter: Filter, per_second_max: u32) -> Result<Reader, TooMany> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let way = Way { events: Some(sender), full_since: None, second: 0, passed: 0 };
        let (pods, reader, lost) = (AtomicUsize::new(0), Mutex::new(way), Mutex::default());
        let tap = OpenTap { id: 0, scope, filter, per_second_max, pods, reader, lost };
        let mut wanted = Some(tap);
        let mut opened = None;
        self.open.send_if_modified(|open| {
            let Some(tap) = wanted.take().filter(|_| open.len() < TAPS_MAX) else { return false };
            // Numbered within the lock, so that whoever sees a tap has seen all that have a lower number.
            let tap = Arc::new(OpenTap { id: self.ids.fetch_add(1, Relaxed), ..tap });
            *open = Arc::new(open.iter().chain([&tap]).cloned().collect());
            opened = Some(tap);
            true
        });
        let Some(tap) = opened else {
            self.turned_away.up();
            return Err(TooMany);
        };
        Ok(Reader { taps: Arc::clone(self), tap, events })
    }

    /// The taps that are open now, and a way to hear of changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Vec<Arc<OpenTap>>>> {
        self.open.subscribe()
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.borrow().len()
    }

    /// Ends a tap; the sidecars are told.
    pub fn end(&self, id: u64) {
        self.open.send_if_modified(|open| {
            let rest: Vec<_> = open.iter().filter(|tap| tap.id != id).cloned().collect();
            let is_another = rest.len() != open.len();
            if is_another {
                *open = Arc::new(rest);
            }
            is_another
        });
    }
}

impl OpenTap {
    /// Whether a sidecar of this workload is to see it.
    pub fn concerns(&self, workload: &Workload) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        is(&self.scope.namespace, &workload.namespace)
            && is(&self.scope.service, &workload.service)
            && is(&self.scope.pod, &workload.pod)
    }

    /// A pod is about to be tapped; whether there is room for it.
    pub fn join(&self, pod: &Arc<Workload>) -> bool {
        let is_in = self.pods.fetch_update(Relaxed, Relaxed, |pods| (pods < PODS_MAX).then_some(pods + 1)).is_ok();
        if is_in {
            self.tell(Event::Joined(Arc::clone(pod)));
        } else {
            self.lost(|lost| lost.pods += 1);
        }
        is_in
    }

    /// A pod that had joined is not tapped any more.
    pub fn leave(&self, pod: &Arc<Workload>) {
        self.pods.fetch_sub(1, Relaxed);
        self.tell(Event::Left(Arc::clone(pod)));
    }

    /// What a sidecar is told.
    pub fn order(&self) -> Tap {
        let pods = u32::try_from(self.pods.load(Relaxed)).unwrap_or(u32::MAX);
        let share = u64::from(self.per_second_max) * u64::from(FULL_RATE_PODS) / u64::from(pods.max(FULL_RATE_PODS));
        Tap { id: self.id, filter: self.filter.clone(), per_second_max: (share as u32).max(1) }
    }

    /// A sidecar has seen an exchange. It is shown if the reader wants it, and keeps up. Whether it was asked for.
    pub fn seen(&self, pod: &Arc<Workload>, seen: Sighting, now_s: u64) -> bool {
        if !self.filter.holds(&seen.endpoint, seen.exchange.status) {
            self.lost(|lost| lost.unasked += 1);
            return false;
        }
        if self.is_over_rate(now_s) {
            self.lost(|lost| lost.rate += 1);
        } else {
            self.tell(Event::Seen(Arc::clone(pod), Box::new(seen)));
        }
        true
    }

    /// A sidecar has dropped some by itself.
    pub fn dropped(&self, dropped: Dropped) {
        self.lost(|lost| {
            lost.rate = lost.rate.saturating_add(dropped.over_rate);
            lost.queue = lost.queue.saturating_add(dropped.over_queue);
        });
    }

    /// What was not shown so far.
    pub fn losses(&self) -> Lost {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its reader has not read for so long that it has to end.
    pub fn is_stalled(&self) -> bool {
        self.way().full_since.is_some_and(|since| since.elapsed() >= STALLED_AFTER)
    }

    /// Nothing more will come; a reader who comes back finds the end.
    pub fn close(&self) {
        self.way().events = None;
    }

    fn is_over_rate(&self, now_s: u64) -> bool {
        let mut way = self.way();
        if way.second != now_s {
            (way.second, way.passed) = (now_s, 0);
        }
        way.passed += 1;
        way.passed > self.per_second_max
    }

    fn tell(&self, event: Event) {
        let mut way = self.way();
        let is_told = way.events.as_ref().is_some_and(|events| events.try_send(event).is_ok());
        way.full_since = if is_told { None } else { way.full_since.or_else(|| Some(Instant::now())) };
        drop(way);
        if !is_told {
            self.lost(|lost| lost.reader += 1);
        }
    }

    fn lost(&self, count: impl FnOnce(&mut Lost)) {
        count(&mut self.lost.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn way(&self) -> std::sync::MutexGuard<'_, Way> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.taps.end(self.tap.id);
    }
}

#[cfg(test)]
mod tests;
