//! How long a condition lasts before it is reported, and how long it must be over.

use std::time::Duration;

use crate::model::notice::NoticeCondition;

/// A service that refuses connections for less is restarting, or its pod is ending: its sidecar signs off a moment later.
const REFUSING_AFTER: Duration = Duration::from_secs(10);

/// The share of failures is measured over a minute; half of that shows that it is no single burst.
const FAILING_AFTER: Duration = Duration::from_secs(30);

/// Garbage collectors use memory up to the limit for a moment.
const MEMORY_NEAR_AFTER: Duration = Duration::from_secs(60);

/// How long a restart is reported: a crash loop restarts more often (Kubernetes waits five minutes at most).
const RESTARTED_LASTS: Duration = Duration::from_secs(6 * 60);

/// How long a kill for lack of memory, or a pod that is gone, is reported.
const LOSS_LASTS: Duration = Duration::from_secs(15 * 60);

/// How long a condition must be absent, so that one that comes and goes is one notice.
const RESOLVE_AFTER: Duration = Duration::from_secs(2 * 60);

/// How often a notice that fires is reported again.
const REPEAT: Duration = Duration::from_secs(4 * 3600);

/// The times of all conditions, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeTiming {
    /// How long a condition must be absent to be over.
    pub resolve_after_ms: u64,
    /// How often a notice that fires is reported again.
    pub repeat_ms: u64,
    by_condition: [ConditionTiming; NoticeCondition::EACH.len()],
}

/// The times of one condition, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ConditionTiming {
    after_ms: u64,
    lasts_ms: u64,
}

impl Default for NoticeTiming {
    fn default() -> Self {
        let timing = |condition| {
            let (after, lasts) = match condition {
                NoticeCondition::Refusing => (REFUSING_AFTER, Duration::ZERO),
                NoticeCondition::Failing => (FAILING_AFTER, Duration::ZERO),
                NoticeCondition::MemoryNear => (MEMORY_NEAR_AFTER, Duration::ZERO),
                NoticeCondition::Restarted => (Duration::ZERO, RESTARTED_LASTS),
                NoticeCondition::OomKilled | NoticeCondition::Vanished => (Duration::ZERO, LOSS_LASTS),
            };
            ConditionTiming { after_ms: after.as_millis() as u64, lasts_ms: lasts.as_millis() as u64 }
        };
        Self {
            resolve_after_ms: RESOLVE_AFTER.as_millis() as u64,
            repeat_ms: REPEAT.as_millis() as u64,
            by_condition: NoticeCondition::EACH.map(timing),
        }
    }
}

impl NoticeTiming {
    /// How long a condition must be present before it is reported.
    pub fn after_ms(&self, condition: NoticeCondition) -> u64 {
        self.by_condition[place(condition)].after_ms
    }

    /// How long something that happens once counts as present; 0 for what has a duration of its own.
    pub fn lasts_ms(&self, condition: NoticeCondition) -> u64 {
        self.by_condition[place(condition)].lasts_ms
    }

    /// How long the condition must be absent. What happens once has lasted for its time already.
    pub fn absent_ms(&self, condition: NoticeCondition) -> u64 {
        if self.lasts_ms(condition) > 0 { 0 } else { self.resolve_after_ms }
    }

    /// Sets how long a condition must be present before it is reported.
    pub fn set_after(&mut self, condition: NoticeCondition, after: Duration) {
        self.by_condition[place(condition)].after_ms = after.as_millis() as u64;
    }

    /// Sets how long something that happens once is reported; `None` if the condition has a duration of its own.
    pub fn set_lasts(&mut self, condition: NoticeCondition, lasts: Duration) -> Option<()> {
        let timing = &mut self.by_condition[place(condition)];
        (timing.lasts_ms > 0).then(|| timing.lasts_ms = lasts.as_millis() as u64)
    }
}

fn place(condition: NoticeCondition) -> usize {
    NoticeCondition::EACH.iter().position(|each| *each == condition).expect("EACH has every condition")
}
