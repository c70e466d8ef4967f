//! Counts what a rule has done on all workers of a pod.

use std::sync::atomic::{AtomicU64, Ordering};

use mesh::rule_totals::RuleTotals;

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

    /// The values so far, for the rule of this name.
    pub fn totals(&self, rule: &str) -> RuleTotals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RuleTotals {
            rule: rule.to_owned(),
            acted: read(&self.acted),
            shadowed: read(&self.shadowed),
            failed: read(&self.failed),
            ..RuleTotals::default()
        }
    }
}
