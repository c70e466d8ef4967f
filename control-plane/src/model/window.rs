//! The time that a reader asks about.

use std::time::Duration;

/// The time range that a snapshot covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueryWindow {
    /// Everything that the store keeps, and what the pods have reported since.
    All,
    /// The last seconds: 60, 300, 900 or 3600 on the page, any from 1 s to 90 days by the API.
    Last(Duration),
    /// From one instant to another.
    Between(Range),
}

/// A time range between two instants, milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// Its first millisecond.
    pub from_ms: u64,
    /// The first millisecond after it.
    pub to_ms: u64,
}

impl Range {
    /// Its length in milliseconds.
    pub fn length_ms(self) -> u64 {
        self.to_ms.saturating_sub(self.from_ms)
    }
}
