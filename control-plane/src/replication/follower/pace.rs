//! When a log is read next: at once if a message is known to exist, when a leader announces one, and now and then besides.

use std::time::{Duration, Instant};

use async_nats::Subscriber;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::replication::connection::Nats;
use crate::replication::progress::Progress;
use crate::replication::reader::{MESSAGE_WITHIN, ReadError};
use crate::replication::streams::NUDGE;

/// How often a log is read without a nudge.
const POLL: Duration = Duration::from_millis(500);

/// The first pause before a message is read again that is known to exist, which doubles: the server that was asked may
/// not have it yet.
const BEHIND: Duration = Duration::from_millis(5);

/// The longest pause after failed reads. A stream without a leader fails at once, thousands of times a second.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// How long the first read may take, which doubles with each failure: the next one is answered by another server, unless
/// all are slow.
const READ_WITHIN_MIN: Duration = Duration::from_millis(500);

/// How many times in a row a log may be missing.
const MISSING_MAX: u32 = 3;

/// When a log is read next.
pub(super) struct Pace {
    nudges: Option<Subscriber>,
    known: watch::Receiver<u64>,
    /// The next pause if a message is known to exist, or reads fail.
    pause: Duration,
    failing: bool,
    /// How long the next read may take.
    pub(super) read_within: Duration,
    /// When the ends of the log were compared last.
    pub(super) compared: Instant,
    /// How many times in a row the log was not there.
    missing: u32,
}

impl Pace {
    pub(super) async fn new(nats: &Nats, progress: &Progress) -> Self {
        // Without a subscription, polling is enough.
        let nudges = nats.client.subscribe(NUDGE).await.ok();
        // The first comparison is due at once: a log that does not fit must be noticed before anything else.
        let compared = Instant::now().checked_sub(Duration::from_secs(3600)).unwrap_or_else(Instant::now);
        Self {
            nudges,
            known: progress.subscribe_known(),
            pause: BEHIND,
            failing: false,
            read_within: READ_WITHIN_MIN,
            compared,
            missing: 0,
        }
    }

    /// Records that a server has answered.
    pub(super) fn answered(&mut self) {
        self.read_within = READ_WITHIN_MIN;
        if std::mem::take(&mut self.failing) {
            self.pause = BEHIND;
        }
    }

    /// Records that a read has failed.
    pub(super) fn failed(&mut self, error: &ReadError) {
        self.read_within = (self.read_within * 2).min(MESSAGE_WITHIN);
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(%error, "retrying");
        }
    }

    /// Records that there is no such log; returns whether that is certain. A cluster that has just started may not know
    /// its streams yet.
    pub(super) fn note_missing(&mut self) -> bool {
        self.missing += 1;
        self.missing >= MISSING_MAX
    }

    /// Records that the log is there.
    pub(super) fn found(&mut self) {
        self.missing = 0;
    }

    /// Records that something was read.
    pub(super) fn moved(&mut self) {
        self.pause = BEHIND;
    }

    /// Waits until there may be more than `applied`.
    pub(super) async fn wait(&mut self, applied: u64, drain: &CancellationToken) {
        let is_known = *self.known.borrow_and_update() > applied;
        if self.failing || is_known {
            let pause = self.pause;
            self.pause = (pause * 2).min(if self.failing { RETRY_MAX } else { POLL });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = drain.cancelled() => {}
            }
            return;
        }
        self.pause = BEHIND;
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = nudge(&mut self.nudges) => {}
            _ = self.known.changed() => {}
            () = drain.cancelled() => {}
        }
    }
}

async fn nudge(nudges: &mut Option<Subscriber>) {
    let Some(subscriber) = nudges else { return std::future::pending().await };
    if subscriber.next().await.is_none() {
        *nudges = None;
        return;
    }
    // One read brings what all of them announce.
    while let Some(Some(_)) = subscriber.next().now_or_never() {}
}
