//! `/api/v1/status` and `/api/v1/about`: whether counts are durable, and the control plane's version and clock.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Version, start time and clock of the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// The control plane's version.
    pub version: String,
    /// When this process started; its counts may be older.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// The control plane's clock, milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// The status of the control plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The status of the store.
    pub store: StoreStatus,
    /// The pods that have not reported since a restart; null when none is awaited.
    pub recovery: Option<Recovery>,
    /// The replicas of the control plane; null if it is the only one.
    #[serde(default)]
    pub replication: Option<Replication>,
}

/// The replicas of the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replication {
    /// The replica that leads, and that answers.
    pub leader: String,
    /// Since when it leads.
    #[schema(format = DateTime)]
    pub since: String,
    /// Counts up with each change of the leader.
    pub term: u64,
    /// Since when NATS is unreachable; null if it is reachable. Meanwhile nothing is stored, no rule can be changed, and
    /// no sidecar can attach; those that are attached go on.
    #[schema(format = DateTime)]
    pub nats_unreachable_since: Option<String>,
    /// All replicas that were heard in the last ten minutes.
    pub replicas: Vec<Replica>,
}

/// One replica of the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replica {
    /// Its name.
    pub name: String,
    /// Where other replicas connect to it.
    pub address: String,
    /// Messages of the log that it has not applied yet.
    pub behind_messages: u64,
    /// Seconds since it had applied everything; null if it never had.
    pub behind_s: Option<u64>,
    /// Seconds since it was heard.
    pub silent_s: u64,
}

/// The status of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// Whether counts are on disk a moment after they arrive.
    pub durable: bool,
    /// Since when counts are not durable.
    #[schema(format = DateTime)]
    pub not_durable_since: Option<String>,
    /// The error message of the disk.
    pub why: Option<String>,
    /// The start of the stored history.
    #[schema(format = DateTime)]
    pub since: String,
    /// The maximum size of the file in bytes.
    #[serde(default)]
    pub bytes_max: u64,
    /// The size of the file in bytes; null if it cannot be read now.
    pub file_bytes: Option<u64>,
    /// The stored time slots by length: `10s`, `1m`, `1h`.
    #[serde(default)]
    pub slots: BTreeMap<String, StoredSlots>,
    /// Slots deleted before the end of their retention, for lack of space; null if it cannot be read now.
    pub slots_crowded_out: Option<u64>,
    /// The windows that sidecars have sent since the control plane started.
    #[serde(default)]
    pub windows: StoredWindows,
    /// Requests that were reported by pods that died before they sent the windows of them. They are in the totals but not
    /// on disk.
    pub hits_not_durable: u64,
    /// Why the previous store was replaced, and what to do; null if it was not.
    pub replaced: Option<String>,
}

/// The stored time slots of one length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoredSlots {
    /// The retention in seconds.
    pub keeps_s: u64,
    /// The number of slots; null if it cannot be read now.
    pub count: Option<u64>,
    /// Their size in bytes; null if it cannot be read now.
    pub bytes: Option<u64>,
}

/// The windows that sidecars have sent, by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoredWindows {
    /// Written to disk.
    pub kept: u64,
    /// Dropped because they were on disk already.
    pub repeated: u64,
    /// Dropped because the queue to the disk was full.
    pub without_room: u64,
    /// Failed writes.
    pub write_failures: u64,
}

/// The progress after a restart of the control plane. Totals and rates are too low until all pods that were attached
/// before it have reported, at most for 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recovery {
    /// Pods that have reported since the restart.
    pub pods_reported: u64,
    /// Pods that were attached before the restart.
    pub pods: u64,
    /// Seconds since the restart.
    pub restarted_s: f64,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pods_reported, pods, restarted_s } = self;
        let words = if *pods == 1 { "pod has" } else { "pods have" };
        write!(f, "{pods_reported} of {pods} {words} reported since the restart {restarted_s:.0} s ago")
    }
}
