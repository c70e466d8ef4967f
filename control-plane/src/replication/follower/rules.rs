//! Applies the log of rules: each change follows the one before it.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::replication::follower::log_follower::{FollowError, LogFollower, Next};
use crate::replication::follower::pace::Pace;
use crate::replication::progress::Outcome;
use crate::replication::reader::Stored;
use crate::replication::streams::RULES;
use crate::store::StoreError;
use crate::store::replica_log::Verdict;
use crate::store::replica_log::rule_message::decode_rules;

/// Follows the log of rules until drained.
pub(super) async fn follow_rules(follower: &LogFollower, drain: &CancellationToken) -> Result<(), FollowError> {
    let mut pace = Pace::new(&follower.nats, &follower.progress).await;
    while !drain.is_cancelled() {
        let applied = follower.progress.applied().position.rules_sequence;
        match follower.next(RULES, applied, &mut pace).await? {
            Next::Messages(messages) => {
                pace.moved();
                for message in messages {
                    if drain.is_cancelled() {
                        return Ok(());
                    }
                    apply_rules(follower, message, drain).await?;
                }
            }
            Next::Nothing => {
                let now = Instant::now();
                follower.progress.update(|applied| applied.caught_up.rules = Some(now));
                // The numbers of the other log mean nothing here.
                pace.wait(u64::MAX, drain).await;
            }
            Next::Unknown => pace.wait(u64::MAX, drain).await,
        }
    }
    Ok(())
}

async fn apply_rules(
    follower: &LogFollower,
    Stored { sequence, payload }: Stored,
    drain: &CancellationToken,
) -> Result<(), FollowError> {
    let read = decode_rules(&payload);
    let (id, change) = read.map_err(|why| FollowError::Unreadable { stream: RULES, sequence, why })?;
    let written = follower.written(move |store| store.apply_rules(&change, sequence), drain).await;
    match written {
        Ok(()) => {}
        Err(source @ StoreError::Stale { .. }) => return Err(FollowError::RulesConflict { sequence, source }),
        // It was drained before it could write.
        Err(_) => return Ok(()),
    }
    follower.progress.update(|applied| applied.position.rules_sequence = sequence);
    follower.progress.report(id, Outcome { sequence, verdict: Verdict::Taken });
    Ok(())
}
