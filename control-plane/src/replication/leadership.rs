//! What the leader knows of its lead and of the other replicas, for its pages.

use std::sync::Arc;

use crate::replication::progress::Progress;
use crate::replication::roll_call::RollCall;

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
    /// The other replicas.
    pub roll_call: Arc<RollCall>,
}
