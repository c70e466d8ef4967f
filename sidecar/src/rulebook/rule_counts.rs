//! Counts what a rule has done on all workers of a pod.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one rule. Each exchange is counted once at most.
#[derive(Debug, Default)]
pub struct RuleCounts {
    acted: AtomicU64,
    shadowed: AtomicU64,
    failed: AtomicU64,
}

/// What happened when a rule was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleEvent {
    /// It answered, held or edited a request or a response.
    Acted,
    /// It would have, but only counts.
    Shadowed,
    /// Its decorator panicked.
    Failed,
}

/// The values of the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleTotals {
    /// Exchanges on which it acted.
    pub acted: u64,
    /// Exchanges on which it would have acted.
    pub shadowed: u64,
    /// Exchanges on which its decorator panicked.
    pub failed: u64,
}

impl RuleCounts {
    /// Counts one exchange.
    pub fn add(&self, event: RuleEvent) {
        let counter = match event {
            RuleEvent::Acted => &self.acted,
            RuleEvent::Shadowed => &self.shadowed,
            RuleEvent::Failed => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The values so far.
    pub fn totals(&self) -> RuleTotals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RuleTotals { acted: read(&self.acted), shadowed: read(&self.shadowed), failed: read(&self.failed) }
    }
}
