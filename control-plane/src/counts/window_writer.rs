//! Queues the windows of all sidecars and writes them in groups: one transaction for all within a moment, then an ack to each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::counts::window_writer::batch::{WriteResult, write};
use crate::counts::window_writer::pending_window::PendingWindow;
use crate::model::durability::{Durability, Medium};
use crate::model::limits::{IN_FLIGHT_MAX, PODS_MAX};
use crate::model::stream_counts::Count;
use crate::store::StoreError;
use crate::store::metrics_store::MetricsStore;

mod batch;
pub mod durable_counts;
pub mod pending_row;
pub mod pending_window;

/// How long windows are gathered for one transaction. Each costs a wait for the disk, so a few a
/// second are enough.
const GATHER: Duration = Duration::from_millis(200);

/// Limit of endpoint rows in one transaction: a burst of ten thousand sidecars takes a few
/// transactions, of some ten milliseconds each.
const BATCH_ROWS_MAX: usize = 100_000;

/// Limit of bytes in the window queue. Without a disk, ten thousand sidecars fill it in about a
/// minute. Later sidecars keep their windows, and send them when there is room.
const WAITING_BYTES_MAX: usize = 256 << 20;

/// First and longest pause before a failed write is repeated.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(15);

/// The queue of windows that wait to be written.
#[derive(Debug)]
pub struct WindowQueue {
    /// The metrics store that is written to and read from.
    pub metrics_store: Arc<dyn MetricsStore>,
    windows: mpsc::Sender<PendingWindow>,
    waiting_bytes: AtomicUsize,
    room: watch::Sender<bool>,
    durability: watch::Sender<Durability>,
    /// Counters of windows.
    pub counts: WindowCounts,
}

/// Counters of windows and of transactions.
#[derive(Debug, Default)]
pub struct WindowCounts {
    /// Windows written to disk.
    pub written: Count,
    /// Windows that were on disk before.
    pub repeated: Count,
    /// Windows that found no room, and will be sent again.
    pub no_room: Count,
    /// Transactions that failed, and were tried again.
    pub failures: Count,
}

/// The window queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

impl WindowQueue {
    /// Returns the queue, and the task that writes its windows.
    pub fn open(metrics_store: Arc<dyn MetricsStore>) -> (Arc<Self>, WindowWriter) {
        let (sender, windows) = mpsc::channel(PODS_MAX * IN_FLIGHT_MAX);
        let queue = Arc::new(Self {
            metrics_store,
            windows: sender,
            waiting_bytes: AtomicUsize::new(0),
            room: watch::Sender::new(true),
            durability: watch::Sender::new(Durability::Durable),
            counts: WindowCounts::default(),
        });
        (Arc::clone(&queue), WindowWriter { queue, windows })
    }

    /// Queues a window. It is written within a moment, and its stream receives an ack.
    pub fn submit(&self, window: PendingWindow) -> Result<(), NoRoom> {
        let bytes = window.bytes;
        let waiting = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes <= WAITING_BYTES_MAX && self.windows.try_send(window).is_ok() {
            return Ok(());
        }
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.publish_full();
        Err(NoRoom)
    }

    /// Publishes that there is no room. The writer may have made room just before, and then has
    /// nothing left to write that would publish it again.
    fn publish_full(&self) {
        self.counts.no_room.up();
        self.room.send_replace(false);
        self.publish_room();
    }

    fn publish_room(&self) {
        let has_bytes = self.waiting_bytes.load(Ordering::Relaxed) < WAITING_BYTES_MAX / 2;
        if has_bytes && self.windows.capacity() > self.windows.max_capacity() / 2 {
            self.room.send_if_modified(|room| !std::mem::replace(room, true));
        }
    }

    /// Whether there is room, and each change of that.
    pub fn subscribe_room(&self) -> watch::Receiver<bool> {
        self.room.subscribe()
    }

    /// Whether counts reach the disk.
    pub fn durability(&self) -> Durability {
        self.durability.borrow().clone()
    }

    fn release(&self, bytes: usize) {
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.publish_room();
    }
}

/// The window writer: the task that writes queued windows.
#[derive(Debug)]
pub struct WindowWriter {
    queue: Arc<WindowQueue>,
    windows: mpsc::Receiver<PendingWindow>,
}

/// How the writing of a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BatchEnd {
    /// It is stored.
    Written,
    /// The writer was drained before it could be stored.
    GivenUp,
}

impl WindowWriter {
    /// Writes until drained, and then what was queued by then. Calls `on_written` after each group of windows.
    ///
    /// Once drained, it ends at the first group that cannot be written: a later window of the same process would move
    /// the mark past the unwritten one, and the sidecar would never send that again.
    pub async fn run(mut self, on_written: impl Fn(), drain: CancellationToken) {
        loop {
            let first = tokio::select! {
                first = self.windows.recv() => first,
                () = drain.cancelled() => None,
            };
            let Some(first) = first else { break };
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = drain.cancelled() => {}
            }
            let batch = self.gather(vec![first]);
            if self.write(batch, &drain).await == BatchEnd::GivenUp {
                return;
            }
            on_written();
        }
        loop {
            let batch = self.gather(Vec::new());
            if batch.is_empty() || self.write(batch, &drain).await == BatchEnd::GivenUp {
                return;
            }
            on_written();
        }
    }

    fn gather(&mut self, mut batch: Vec<PendingWindow>) -> Vec<PendingWindow> {
        let mut rows: usize = batch.iter().map(|window| window.rows.len()).sum();
        while rows < BATCH_ROWS_MAX {
            let Ok(window) = self.windows.try_recv() else { break };
            rows += window.rows.len();
            batch.push(window);
        }
        batch
    }

    /// Writes a batch, and repeats that until it is on disk. Once drained, it tries only once.
    async fn write(&self, batch: Vec<PendingWindow>, drain: &CancellationToken) -> BatchEnd {
        let batch = Arc::new(batch);
        let mut wait = RETRY_MIN;
        loop {
            let (written, metrics_store) = (Arc::clone(&batch), Arc::clone(&self.queue.metrics_store));
            let writing = tokio::task::spawn_blocking(move || {
                let results = write(metrics_store.as_ref(), &written, now_ms())?;
                written.iter().for_each(|window| window.durable_counts.record_written(window.end(), &window.rows));
                Ok::<_, StoreError>(results)
            });
            let (medium, why) = match writing.await {
                Ok(Ok(results)) => {
                    self.acknowledge(&batch, &results);
                    return BatchEnd::Written;
                }
                Ok(Err(error @ StoreError::Unconfirmed(_))) => (Medium::Log, error.to_string()),
                Ok(Err(error)) => (Medium::Disk, error.to_string()),
                Err(panic) => (Medium::Disk, format!("the writer panicked: {panic}")),
            };
            self.queue.counts.failures.up();
            self.queue.durability.send_modify(|durability| {
                if *durability == Durability::Durable {
                    tracing::error!(why, "counts cannot be written to disk and are kept in memory; retrying");
                }
                let since_ms = if let Durability::NotDurable { since_ms, .. } = durability { *since_ms } else { now_ms() };
                *durability = Durability::NotDurable { medium, since_ms, why };
            });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = drain.cancelled() => return BatchEnd::GivenUp,
            }
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    fn acknowledge(&self, batch: &[PendingWindow], results: &[WriteResult]) {
        for (window, result) in batch.iter().zip(results) {
            let end = window.end();
            match result {
                WriteResult::Written => self.queue.counts.written.up(),
                WriteResult::Duplicate => self.queue.counts.repeated.up(),
            }
            window.acks.send_if_modified(|mark| {
                let is_news = end > *mark;
                *mark = end.max(*mark);
                is_news
            });
        }
        self.queue.release(batch.iter().map(|window| window.bytes).sum());
        self.queue.durability.send_if_modified(|durability| {
            let was_durable = std::mem::replace(durability, Durability::Durable) == Durability::Durable;
            if !was_durable {
                tracing::info!("counts are written to disk again");
            }
            !was_durable
        });
    }
}

#[cfg(test)]
mod tests;
