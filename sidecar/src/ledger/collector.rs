//! Shared access to the ledger: one task collects the workers' counts, and any task may request a collection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mesh::report::Report;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::ledger::Ledger;
use crate::ledger::windows::Moment;
use crate::resources::Meter;
use crate::worker::Workers;

/// How often counts are collected without a request: a worker keeps only a few exchanges until then.
const INTERVAL: Duration = Duration::from_secs(1);

/// Pending requests of the control client, the stats log and the admin connections. One collection serves all.
const ASKERS_MAX: usize = 64;

/// A handle to the ledger; cheap to clone.
#[derive(Debug, Clone)]
pub struct LedgerHandle {
    /// When counting began, which is when the process started.
    opened: tokio::time::Instant,
    ledger: Arc<Mutex<Ledger>>,
    ask: mpsc::Sender<oneshot::Sender<()>>,
}

/// The one task that collects the workers' counts.
///
/// It must be the only one and must not be cancelled: counts that a worker has handed over exist nowhere else until they
/// are in the ledger. Code that may be cancelled therefore requests a collection from this task.
#[derive(Debug)]
pub struct Collector {
    ledger: Arc<Mutex<Ledger>>,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    meter: Meter,
}

impl LedgerHandle {
    /// Creates an empty ledger, and the task that fills it.
    pub fn open(meter: Meter) -> (Self, Collector) {
        let ledger = Arc::<Mutex<Ledger>>::default();
        let (ask, asked) = mpsc::channel(ASKERS_MAX);
        (Self { opened: tokio::time::Instant::now(), ledger: Arc::clone(&ledger), ask }, Collector { ledger, asked, meter })
    }

    /// How long the process has run, by the monotonic clock.
    pub fn uptime(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Collects, then reports everything since the start.
    pub async fn snapshot(&self, seq: u64) -> Report {
        self.refresh().await;
        self.read(|ledger| ledger.snapshot(seq, now_ms()))
    }

    /// Collects, then reports what happened since the last report.
    pub async fn change(&self, seq: u64) -> Report {
        self.refresh().await;
        self.read(|ledger| ledger.change(seq, now_ms()))
    }

    /// Collects, then closes the open window.
    pub async fn close_window(&self) {
        self.refresh().await;
        self.read(|ledger| ledger.close_window(moment()));
    }

    /// Requests a collection and waits for it. Once the collector has ended, everything is in the ledger already.
    pub async fn refresh(&self) {
        let (done, is_done) = oneshot::channel();
        if self.ask.send(done).await.is_ok() {
            let _ = is_done.await;
        }
    }

    /// Runs `look` with the ledger locked, so `look` must be short and must not block.
    pub fn read<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Collector {
    /// Collects every second and on request, until drained.
    pub async fn run(mut self, workers: Arc<Workers>, drain: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.tick(&workers).await,
                Some(asker) = self.asked.recv() => self.answer(asker, &workers).await,
                () = drain.cancelled() => return self.bring_in(&workers).await,
            }
        }
    }

    async fn tick(&mut self, workers: &Workers) {
        let measured = self.meter.measure(Instant::now());
        self.ledger().measured(measured);
        self.bring_in(workers).await;
    }

    async fn answer(&mut self, asker: oneshot::Sender<()>, workers: &Workers) {
        let mut askers = vec![asker];
        // All requests that arrive before the collection starts are served by it.
        askers.extend(std::iter::from_fn(|| self.asked.try_recv().ok()).take(ASKERS_MAX));
        self.bring_in(workers).await;
        for asker in askers {
            // A cancelled request needs no answer: the counts are in the ledger anyway.
            let _ = asker.send(());
        }
    }

    async fn bring_in(&mut self, workers: &Workers) {
        let reports = workers.collect().await;
        let mut ledger = self.ledger();
        ledger.absorb(reports);
        ledger.turn(moment());
        ledger.connected(workers.connections(), workers.counters().refusals());
        ledger.ruled(workers.rule_totals());
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The current time by both clocks.
fn moment() -> Moment {
    Moment { unix_ms: now_ms(), at: tokio::time::Instant::now().into_std() }
}

/// The wall clock, in milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
