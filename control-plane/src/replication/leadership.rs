//! What the leader knows of its lead and of the other replicas, for its pages.

use std::sync::Arc;
use std::time::Duration;

use crate::model::replicas::{Replica, ReplicaMonitor, Replicas};
use crate::replication::membership::{KnownReplica, Membership};
use crate::replication::progress::Progress;

/// The lead of this replica.
#[derive(Debug, Clone)]
pub struct Leadership {
    /// The name of this replica.
    pub replica: String,
    /// Since when it leads, milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// The term.
    pub term: u64,
    /// How far it is in the logs.
    pub progress: Arc<Progress>,
    /// All replicas.
    pub membership: Arc<Membership>,
}

impl ReplicaMonitor for Leadership {
    fn replicas(&self) -> Replicas {
        let last = self.progress.known();
        let replica = |KnownReplica { announcement, silent }: KnownReplica| Replica {
            behind_messages: last.saturating_sub(announcement.applied),
            behind: announcement.behind_ms.map(|ms| Duration::from_millis(ms) + silent),
            silent,
            name: announcement.replica,
            address: announcement.address,
        };
        Replicas {
            leader: self.replica.clone(),
            since_ms: self.since_ms,
            term: self.term,
            nats_unreachable_since_ms: self.membership.unreachable_since_ms(),
            applied: self.progress.applied().position.sequence,
            last,
            each: self.membership.replicas().into_iter().map(replica).collect(),
        }
    }
}
