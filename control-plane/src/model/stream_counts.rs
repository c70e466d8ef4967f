//! Counters of what the gRPC server has accepted and refused.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that many streams share.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds one.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Subtracts one, for things that end.
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The current value.
    pub fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters of the gRPC server.
#[derive(Debug, Default)]
pub struct StreamCounts {
    /// Streams that are open.
    pub open: Count,
    /// Frames received.
    pub frames: Count,
    /// Frames that ended their stream because they were invalid.
    pub frames_refused: Count,
    /// Reports that had been counted before.
    pub reports_repeated: Count,
    /// Frames of a kind that this control plane does not know.
    pub frames_unread: Count,
    /// Streams refused for lack of the token.
    pub strangers: Count,
    /// Streams refused because too many were open.
    pub crowded_out: Count,
    /// Streams refused because their address had too many.
    pub address_crowded: Count,
    /// Connections closed because there was no place for them.
    pub connections_crowded: Count,
}
