//! What the stream has taken in and what it has turned away, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that many streams count up.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less, for what can end.
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All that is counted at the gRPC end.
#[derive(Debug, Default)]
pub struct StreamCounts {
    /// Streams that are open.
    pub open: Count,
    /// Frames taken in.
    pub frames: Count,
    /// Frames that ended their stream because they made no sense.
    pub frames_refused: Count,
    /// Reports that had been counted before.
    pub reports_repeated: Count,
    /// Frames of a kind that this control plane does not read.
    pub frames_unread: Count,
    /// Streams turned away for want of the token.
    pub strangers: Count,
    /// Streams turned away because there were too many.
    pub crowded_out: Count,
    /// Streams turned away because there were too many of their address.
    pub address_crowded: Count,
    /// Connections closed because there were too many of their address.
    pub connections_crowded: Count,
}
