//! The control planes that share one state, as the one that leads knows them.

use std::fmt::Debug;
use std::time::Duration;

/// Reports on the replicas; a leader has one.
pub trait ReplicaMonitor: Send + Sync + Debug {
    /// All replicas, as they are now.
    fn replicas(&self) -> Replicas;
}

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
    /// The last message of the log that the leader has applied.
    pub applied: u64,
    /// The last message of the log.
    pub last: u64,
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
