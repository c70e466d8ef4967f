//! The control planes that share one state, as the one that leads knows them.

use std::time::Duration;

/// All of them, and whether the log that they share is reachable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replicas {
    /// The name of the replica that leads, and that answers.
    pub leader: String,
    /// Since when it leads, milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Counts up with each change of the leader.
    pub term: u64,
    /// Since when NATS is unreachable, milliseconds since the Unix epoch; `None` if it is reachable.
    pub nats_unreachable_since_ms: Option<u64>,
    /// Every replica that reported lately, by name, the leader included.
    pub each: Vec<Replica>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its name.
    pub name: String,
    /// Where other replicas connect to it.
    pub address: String,
    /// Messages of the log that it has not applied yet.
    pub behind_messages: u64,
    /// The time since it had applied everything; `None` if it never had.
    pub behind: Option<Duration>,
    /// The time since it reported.
    pub silent: Duration,
}
