//! Reads a log from a position on, notices a log that does not fit, and writes to this replica's disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::replication::connection::Nats;
use crate::replication::follower::pace::Pace;
use crate::replication::message::Message;
use crate::replication::progress::Progress;
use crate::replication::reader::{Stored, ends, read};
use crate::replication::streams::{LOST, RULES, WINDOWS, WINDOWS_SUBJECT};
use crate::store::StoreError;
use crate::store::redb::RedbStore;

/// How often the ends of an idle log are compared with the position.
const COMPARE_EVERY: Duration = Duration::from_secs(5);

/// The pauses after a failed write to this replica's disk, which double.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Why a replica cannot follow.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The log no longer holds what comes next.
    #[error(
        "the stream {stream} on NATS begins at message {first}, and this replica has applied {applied}: the messages between are \
         gone, so its store must be copied from another replica"
    )]
    Trimmed {
        /// The stream.
        stream: &'static str,
        /// Its first sequence.
        first: u64,
        /// What this replica has applied.
        applied: u64,
    },
    /// The log ends before this replica's position.
    #[error(
        "the stream {stream} on NATS ends at message {last}, and this replica has applied {applied}: NATS has lost messages that \
         were acknowledged. Restore NATS from a backup that is newer; or, to accept the loss, stop all control planes, delete the \
         streams {WINDOWS} and {RULES}, and set SITIO_NATS_NEW_LOG=true on the replica whose store is the newest; the others copy it"
    )]
    Older {
        /// The stream.
        stream: &'static str,
        /// Its last sequence.
        last: u64,
        /// What this replica has applied.
        applied: u64,
    },
    /// The log is not there any more.
    #[error("the stream {stream}: {LOST}")]
    Gone {
        /// The stream.
        stream: &'static str,
    },
    /// A message cannot be understood.
    #[error(
        "message {sequence} of the stream {stream} on NATS cannot be read ({why}): start a control plane of the newest version"
    )]
    Unreadable {
        /// The stream.
        stream: &'static str,
        /// The message.
        sequence: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A change of the rules does not follow the rules in the store.
    #[error("message {sequence} of the stream {RULES} on NATS does not follow the rules in this store: {source}")]
    RulesConflict {
        /// The message.
        sequence: u64,
        /// The error of the store.
        source: StoreError,
    },
}

/// Follows the logs.
#[derive(Debug, Clone)]
pub struct LogFollower {
    /// The connection.
    pub nats: Nats,
    /// The store of this replica.
    pub store: Arc<RedbStore>,
    /// Where progress is reported.
    pub progress: Arc<Progress>,
}

/// What comes next in a log.
pub(super) enum Next {
    /// These messages.
    Messages(Vec<Stored>),
    /// Nothing, as far as the server knows that was asked.
    Nothing,
    /// No server has said.
    Unknown,
}

impl LogFollower {
    /// Reads what comes next. Returns an error only if this replica cannot go on.
    pub(super) async fn next(&self, stream: &'static str, applied: u64, pace: &mut Pace) -> Result<Next, FollowError> {
        let (next, is_gap) = match read(&self.nats, stream, applied + 1, pace.read_within).await {
            Ok(messages) => {
                pace.answered();
                match messages.first().map(|first| first.sequence) {
                    Some(first) if first == applied + 1 => return Ok(Next::Messages(messages)),
                    Some(_) => (Next::Unknown, true),
                    None => (Next::Nothing, false),
                }
            }
            Err(error) => {
                pace.failed(&error);
                (Next::Unknown, false)
            }
        };
        if is_gap || pace.compared.elapsed() >= COMPARE_EVERY {
            pace.compared = Instant::now();
            self.compare(stream, applied, pace).await?;
        }
        Ok(next)
    }

    /// Compares the ends of a log with the position.
    async fn compare(&self, stream: &'static str, applied: u64, pace: &mut Pace) -> Result<(), FollowError> {
        let ends = match ends(&self.nats, stream).await {
            Ok(Some(ends)) => ends,
            Ok(None) if pace.note_missing() => return Err(FollowError::Gone { stream }),
            Ok(None) | Err(_) => return Ok(()),
        };
        pace.found();
        if stream == WINDOWS {
            self.progress.learn(ends.last);
        }
        if ends.first > applied + 1 {
            return Err(FollowError::Trimmed { stream, first: ends.first, applied });
        }
        if ends.last >= applied || self.holds(stream, applied).await {
            return Ok(());
        }
        Err(FollowError::Older { stream, last: ends.last, applied })
    }

    /// Whether a log reaches a message after all. A server that takes itself for the stream's leader may be behind, and
    /// only what a majority stores is certain.
    async fn holds(&self, stream: &'static str, applied: u64) -> bool {
        if stream == RULES {
            // Nothing can be added to it without a change of the rules. So its leader is believed when it says so again.
            tokio::time::sleep(COMPARE_EVERY).await;
            return !matches!(ends(&self.nats, stream).await, Ok(Some(ends)) if ends.last < applied);
        }
        let barrier = Message::Barrier { id: rand::random() }.encode();
        let Ok(published) = self.nats.jetstream.publish(WINDOWS_SUBJECT, barrier.into()).await else { return true };
        !matches!(published.await, Ok(ack) if ack.sequence <= applied)
    }

    /// Writes to this replica's disk until it succeeds, or can never succeed, or drained.
    pub(super) async fn written<T: Send + 'static>(
        &self,
        write: impl Fn(&RedbStore) -> Result<T, StoreError> + Send + Sync + 'static,
        drain: &CancellationToken,
    ) -> Result<T, StoreError> {
        let write = Arc::new(write);
        let mut wait = RETRY_MIN;
        loop {
            let (store, write) = (Arc::clone(&self.store), Arc::clone(&write));
            let why = match tokio::task::spawn_blocking(move || write(&store)).await {
                Ok(Err(error @ StoreError::Stale { .. })) => return Err(error),
                Ok(Ok(done)) => {
                    self.progress.note_written();
                    return Ok(done);
                }
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic.to_string(),
            };
            tracing::error!(why, "this replica cannot write what the others have written; retrying");
            self.progress.note_not_written();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = drain.cancelled() => return Err(StoreError::Unconfirmed(why)),
            }
            wait = (wait * 2).min(RETRY_MAX);
        }
    }
}
