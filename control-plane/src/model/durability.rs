//! Whether counts are on disk.

/// Whether counts reach the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// They are on disk a moment after they are counted.
    Durable,
    /// They are in memory only.
    NotDurable {
        /// What cannot be written.
        medium: Medium,
        /// Since when, milliseconds since the Unix epoch.
        since_ms: u64,
        /// The error of the store.
        why: String,
    },
}

/// Where counts have to get to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// The disk of the control plane.
    Disk,
    /// The log on NATS that several control planes share.
    Log,
}
