//! The door to the ledger: one task brings in what the workers counted, anybody may ask it to do so now.

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

/// How often the workers are asked when nobody else asks: a worker keeps only a few exchanges until then.
const INTERVAL: Duration = Duration::from_secs(1);

/// Askers waiting at a time. They are the link, the stats log and the admin port's connections; one answer serves all.
const ASKERS_MAX: usize = 64;

/// A handle on the ledger; cheap to clone.
#[derive(Debug, Clone)]
pub struct Books {
    /// When counting began, which is when the process did.
    opened: tokio::time::Instant,
    ledger: Arc<Mutex<Ledger>>,
    ask: mpsc::Sender<oneshot::Sender<()>>,
}

/// The one task that brings in what the workers counted.
///
/// It must be one, and it must not be interrupted: what a worker has handed over exists nowhere else until it is
/// in the ledger, so whoever asks in a place that may be cancelled, asks this task.
#[derive(Debug)]
pub struct Bookkeeper {
    ledger: Arc<Mutex<Ledger>>,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    meter: Meter,
}

impl Books {
    /// An empty ledger, and who is to fill it.
    pub fn open(meter: Meter) -> (Self, Bookkeeper) {
        let ledger = Arc::<Mutex<Ledger>>::default();
        let (ask, asked) = mpsc::channel(ASKERS_MAX);
        (Self { opened: tokio::time::Instant::now(), ledger: Arc::clone(&ledger), ask }, Bookkeeper { ledger, asked, meter })
    }

    /// How long the process has run, by its monotonic clock.
    pub fn uptime(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Everything since the start, up to this moment.
    pub async fn snapshot(&self, seq: u64) -> Report {
        self.refresh().await;
        self.read(|ledger| ledger.snapshot(seq, now_ms()))
    }

    /// What happened since the report before, up to this moment.
    pub async fn change(&self, seq: u64) -> Report {
        self.refresh().await;
        self.read(|ledger| ledger.change(seq, now_ms()))
    }

    /// Closes the open window, with what was counted up to this moment.
    pub async fn close_window(&self) {
        self.refresh().await;
        self.read(|ledger| ledger.close_window(moment()));
    }

    /// Has what the workers counted brought in now. Once the bookkeeper has left, everything is in.
    pub async fn refresh(&self) {
        let (done, is_done) = oneshot::channel();
        if self.ask.send(done).await.is_ok() {
            let _ = is_done.await;
        }
    }

    /// Looks into the ledger. Nobody else can until `look` returns, so it must only look.
    pub fn read<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Bookkeeper {
    /// Brings in what the workers counted, every second and whenever somebody asks, until drained.
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
        // Those who asked before the workers are asked are served by the same answer.
        askers.extend(std::iter::from_fn(|| self.asked.try_recv().ok()).take(ASKERS_MAX));
        self.bring_in(workers).await;
        for asker in askers {
            // One who left meanwhile finds the numbers in the ledger all the same.
            let _ = asker.send(());
        }
    }

    async fn bring_in(&mut self, workers: &Workers) {
        let reports = workers.collect().await;
        let mut ledger = self.ledger();
        ledger.absorb(reports);
        ledger.turn(moment());
        ledger.connected(workers.connections(), workers.tally().refusals());
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, by both clocks.
fn moment() -> Moment {
    Moment { unix_ms: now_ms(), at: tokio::time::Instant::now().into_std() }
}

/// The wall clock, milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
