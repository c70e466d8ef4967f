//! Follows the logs: applies each message to this replica's store, in order, and reports how far it is.

use tokio_util::sync::CancellationToken;

use crate::replication::follower::log_follower::{FollowError, LogFollower};
use crate::replication::follower::rules::follow_rules;
use crate::replication::follower::windows::follow_windows;

pub mod log_follower;
mod pace;
mod rules;
mod windows;

/// Follows both logs until drained, or until this replica cannot go on.
pub async fn follow(follower: LogFollower, drain: CancellationToken) -> Result<(), FollowError> {
    tokio::try_join!(follow_windows(&follower, &drain), follow_rules(&follower, &drain)).map(drop)
}
