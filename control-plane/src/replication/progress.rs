//! How far this replica has applied the logs, for those who wait for it: publishers, the leader, and pages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::store::replica_log::{LogPosition, Verdict};

/// How far this replica is. Shared by its follower and everything that waits.
#[derive(Debug)]
pub struct Progress {
    applied: watch::Sender<Applied>,
    /// The highest sequence of the log of windows that is known to exist.
    known: watch::Sender<u64>,
    /// The last sequence of the log of rules that is applied.
    rules: watch::Sender<u64>,
    /// Since when this replica's disk refuses writes.
    unwritable: watch::Sender<Option<Instant>>,
    outcomes: Mutex<HashMap<u64, oneshot::Sender<Outcome>>>,
}

/// What is applied, and when the end of both logs was reached last.
#[derive(Debug, Clone, Copy, Default)]
pub struct Applied {
    /// The position.
    pub position: LogPosition,
    /// When there was nothing more to read.
    pub caught_up: CaughtUp,
}

/// When the end of each log was reached last.
#[derive(Debug, Clone, Copy, Default)]
pub struct CaughtUp {
    /// Of windows.
    pub windows: Option<Instant>,
    /// Of rules.
    pub rules: Option<Instant>,
}

/// What became of a message that this process has published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Its sequence in the log.
    pub sequence: u64,
    /// What became of it.
    pub verdict: Verdict,
}

/// Waits for the outcome of one message.
#[derive(Debug)]
pub struct Expected {
    id: u64,
    progress: Arc<Progress>,
    outcome: oneshot::Receiver<Outcome>,
}

impl Progress {
    /// Begins at a position.
    pub fn begin(position: LogPosition) -> Arc<Self> {
        Arc::new(Self {
            applied: watch::Sender::new(Applied { position, ..Applied::default() }),
            known: watch::Sender::new(position.sequence),
            rules: watch::Sender::new(position.rules_sequence),
            unwritable: watch::Sender::new(None),
            outcomes: Mutex::default(),
        })
    }

    /// The present state.
    pub fn applied(&self) -> Applied {
        *self.applied.borrow()
    }

    /// Each change of the state.
    pub fn subscribe(&self) -> watch::Receiver<Applied> {
        self.applied.subscribe()
    }

    /// Changes the state.
    pub fn update(&self, change: impl FnOnce(&mut Applied)) {
        self.applied.send_modify(change);
        let sequence = self.applied.borrow().position.rules_sequence;
        self.rules.send_if_modified(|rules| std::mem::replace(rules, sequence) != sequence);
    }

    /// Each change of the last sequence of the log of rules that is applied.
    pub fn subscribe_rules(&self) -> watch::Receiver<u64> {
        self.rules.subscribe()
    }

    /// Records that a write to this replica's disk has succeeded.
    pub fn note_written(&self) {
        self.unwritable.send_if_modified(|since| since.take().is_some());
    }

    /// Records that a write to this replica's disk has failed.
    pub fn note_not_written(&self) {
        self.unwritable.send_modify(|since| *since = since.or_else(|| Some(Instant::now())));
    }

    /// Waits until this replica's disk has refused writes for so long.
    pub async fn unwritable_for(&self, time: Duration) {
        let mut unwritable = self.unwritable.subscribe();
        // Each failed attempt is a change.
        let lasts = unwritable.wait_for(|since| since.is_some_and(|since| since.elapsed() >= time)).await;
        debug_assert!(lasts.is_ok(), "the sender lives as long as this");
    }

    /// The highest sequence of the log of windows that is known to exist.
    pub fn known(&self) -> u64 {
        *self.known.borrow()
    }

    /// Each change of the highest known sequence.
    pub fn subscribe_known(&self) -> watch::Receiver<u64> {
        self.known.subscribe()
    }

    /// Records that a message with this sequence exists.
    pub fn learn(&self, sequence: u64) {
        self.known.send_if_modified(|known| {
            let is_news = sequence > *known;
            *known = sequence.max(*known);
            is_news
        });
    }

    /// Expects a message with this id, which is published after this call.
    pub fn expect(self: &Arc<Self>, id: u64) -> Expected {
        let (sender, outcome) = oneshot::channel();
        self.lock().insert(id, sender);
        Expected { id, progress: Arc::clone(self), outcome }
    }

    /// Reports what became of a message to those who expect it.
    pub fn report(&self, id: u64, outcome: Outcome) {
        if let Some(expected) = self.lock().remove(&id) {
            // One that has stopped waiting needs no outcome.
            let _ = expected.send(outcome);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expected {
    /// Waits for the outcome.
    pub async fn outcome(&mut self) -> Outcome {
        match (&mut self.outcome).await {
            Ok(outcome) => outcome,
            // The sender is dropped only together with the process's progress.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.progress.lock().remove(&self.id);
    }
}
