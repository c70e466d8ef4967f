//! The time that a count covers, and the slot that it belongs to.

/// Length of a short slot; a five-minute chart is drawn from them.
pub(crate) const SHORT_MS: u64 = 1000;

/// The longest report that goes into one slot. Reports are one or two seconds apart. A longer one
/// is stored as one coarse entry, whose size does not depend on its length.
pub(crate) const ONE_SLOT_MS: u64 = 2500;

/// The time that counts cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedSpan {
    /// Start, milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// End, milliseconds since the Unix epoch.
    pub to_ms: u64,
}

impl CountedSpan {
    /// Returns the short slot that all of it is counted in, if the span is short enough for one
    /// slot.
    pub(crate) fn slot(self) -> Option<u64> {
        (self.to_ms.saturating_sub(self.from_ms) <= ONE_SLOT_MS).then_some(self.to_ms / SHORT_MS)
    }
}
