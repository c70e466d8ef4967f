//! Counts how a peer behaves, to end floods and to let the owner judge resets.

use crate::error_code::ConnectionError;
use crate::limits::OVERHEAD_PER_USEFUL_FRAME;

/// The counters of a connection, over its whole life.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Conduct {
    /// Streams that the peer has reset (CVE-2023-44487, "rapid reset").
    pub(crate) resets: u64,
    /// Streams that we reset because the peer broke a rule (CVE-2025-8671, "MadeYouReset").
    pub(crate) failures: u64,
    /// Streams refused because too many are open.
    pub(crate) refused: u64,
    useful_frames: u64,
    overhead_frames: u64,
}

impl Conduct {
    /// A head or content, received or sent. It pays for some overhead frames.
    pub(crate) fn useful(&mut self) {
        self.useful_frames += 1;
    }

    /// A frame that only costs time.
    pub(crate) fn overhead(&mut self, free: u64) -> Result<(), ConnectionError> {
        self.overhead_frames += 1;
        if self.overhead_frames > free + OVERHEAD_PER_USEFUL_FRAME * self.useful_frames {
            return Err(ConnectionError::flood("too many frames without heads or content"));
        }
        Ok(())
    }
}
