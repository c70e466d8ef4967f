//! Applies the log of windows: the messages of one read in one transaction, together with the position.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::replication::follower::log_follower::{FollowError, LogFollower, Next};
use crate::replication::follower::pace::Pace;
use crate::replication::message::{Assembler, Message};
use crate::replication::progress::Outcome;
use crate::replication::reader::Stored;
use crate::replication::streams::WINDOWS;
use crate::store::StoreError;
use crate::store::codec::Corrupt;
use crate::store::replica_log::codec::decode;
use crate::store::replica_log::{LogPosition, LogWrite, Verdict};

/// How often the position is written if nothing else is. A log whose messages have all grown old must not begin after it.
const WRITE_POSITION_EVERY: Duration = Duration::from_secs(1);

/// Where this replica is in the log of windows.
struct WindowLog {
    position: LogPosition,
    assembler: Assembler,
    /// The sequence that is in the store, and when it was written.
    written: (u64, Instant),
}

/// What became of a message, as far as it is known before the transaction.
enum Fate {
    Settled(Verdict),
    /// It is the last part of the write at this place.
    Write(usize),
}

/// What a read brings.
#[derive(Default)]
struct Batch {
    writes: Vec<LogWrite>,
    /// By id and sequence.
    fates: Vec<(u64, u64, Fate)>,
}

/// Follows the log of windows until drained.
pub(super) async fn follow_windows(follower: &LogFollower, drain: &CancellationToken) -> Result<(), FollowError> {
    let position = follower.progress.applied().position;
    let mut log = WindowLog { position, assembler: Assembler::default(), written: (position.sequence, Instant::now()) };
    let mut pace = Pace::new(&follower.nats, &follower.progress).await;
    while !drain.is_cancelled() {
        let next = follower.next(WINDOWS, log.position.sequence, &mut pace).await?;
        let is_end = matches!(next, Next::Nothing);
        if let Next::Messages(messages) = next {
            pace.moved();
            let batch = log.take(messages)?;
            if apply(follower, batch, &mut log, drain).await.is_err() {
                return Ok(());
            }
            continue;
        }
        let now = Instant::now();
        if is_end && log.position.sequence >= follower.progress.known() {
            follower.progress.update(|applied| applied.caught_up.windows = Some(now));
        }
        let settled = log.assembler.settled(log.position.sequence);
        let is_due = settled > log.written.0 && log.written.1.elapsed() >= WRITE_POSITION_EVERY;
        if is_due && apply(follower, Batch::default(), &mut log, drain).await.is_err() {
            return Ok(());
        }
        pace.wait(log.position.sequence, drain).await;
    }
    if log.assembler.settled(log.position.sequence) > log.written.0 {
        log.written.1 = Instant::now().checked_sub(WRITE_POSITION_EVERY).unwrap_or(log.written.1);
        // Without it, this replica reads a little more when it starts again.
        let _ = apply(follower, Batch::default(), &mut log, drain).await;
    }
    Ok(())
}

/// Applies a batch, then reports the position, and what became of each message. An error means that it was drained before it
/// could write, and that nothing may be written after that.
async fn apply(
    follower: &LogFollower,
    Batch { writes, fates }: Batch,
    log: &mut WindowLog,
    drain: &CancellationToken,
) -> Result<(), StoreError> {
    let (sequence, term) = (log.assembler.settled(log.position.sequence), log.position.term);
    let is_due = !writes.is_empty() || log.written.1.elapsed() >= WRITE_POSITION_EVERY;
    let verdicts = if is_due {
        let write =
            move |store: &crate::store::redb::RedbStore| store.apply_log(&writes.iter().collect::<Vec<_>>(), sequence, term);
        log.written = (sequence, Instant::now());
        follower.written(write, drain).await?
    } else {
        Vec::new()
    };
    let position = log.position;
    follower.progress.learn(position.sequence);
    follower.progress.update(|applied| {
        (applied.position.sequence, applied.position.term) = (position.sequence, position.term);
    });
    for (id, sequence, fate) in fates {
        let verdict = match fate {
            Fate::Settled(verdict) => verdict,
            Fate::Write(at) => verdicts.get(at).copied().unwrap_or(Verdict::Stale),
        };
        follower.progress.report(id, Outcome { sequence, verdict });
    }
    Ok(())
}

impl WindowLog {
    /// Reads messages, and decides which writes are of the present term.
    fn take(&mut self, messages: Vec<Stored>) -> Result<Batch, FollowError> {
        let mut batch = Batch::default();
        for Stored { sequence, payload } in messages {
            let unreadable = |why: Corrupt| FollowError::Unreadable { stream: WINDOWS, sequence, why: why.to_string() };
            self.position.sequence = sequence;
            let (id, fate) = match Message::decode(&payload).map_err(unreadable)? {
                Message::Lead { id } => {
                    self.position.term = sequence;
                    self.assembler.clear();
                    (id, Fate::Settled(Verdict::Taken))
                }
                Message::Barrier { id } => (id, Fate::Settled(Verdict::Taken)),
                Message::Part(part) if !self.position.admits(part.term) => (part.id, Fate::Settled(Verdict::OtherTerm)),
                Message::Part(part) => {
                    let id = part.id;
                    let Some(bytes) = self.assembler.add(sequence, part) else { continue };
                    batch.writes.push(decode(&bytes).map_err(unreadable)?);
                    (id, Fate::Write(batch.writes.len() - 1))
                }
            };
            batch.fates.push((id, sequence, fate));
        }
        Ok(batch)
    }
}
