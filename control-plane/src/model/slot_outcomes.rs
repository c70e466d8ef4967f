//! How many requests were served and how many failed in each slot of the last hour.

use std::sync::Arc;

use mesh::golden::GoldenMetrics;

/// How many requests were served and failed in each slot of the last hour. The slots begin at whole
/// tens of seconds, so what is found in them has the same time in every window and at every
/// instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotOutcomes {
    /// When the first slot begins, milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// When counting began, milliseconds since the Unix epoch; it may be before the first slot.
    pub began_ms: u64,
    /// By slot, oldest first.
    pub slots: Arc<[SlotOutcome]>,
}

/// Length of a slot of [`SlotOutcomes`] in milliseconds.
pub const OUTCOME_MS: u64 = 10_000;

/// Results of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotOutcome {
    /// Requests that were passed to the service.
    pub served: u64,
    /// Of those, failed.
    pub failures: u64,
}

impl SlotOutcome {
    /// The results of these requests.
    pub fn from_metrics(golden: &GoldenMetrics) -> Self {
        Self { served: golden.served(), failures: golden.failures() }
    }
}
