//! Determines the outcome of the command behind an audit entry.

use crate::model::audit::{AuditEntry, AuditEvent, CommandOutcome};
use crate::model::rule_record::RuleRecord;
use crate::model::rule_status::RuleStatus;
use crate::model::rules_state::RulesState;

/// The outcome of the command behind an audit entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleOutcome {
    /// It was refused and changed nothing.
    Refused,
    /// It is no longer known.
    Forgotten,
    /// Its rule is in force: how far it has come.
    InForce(CommandOutcome),
    /// Its rule has ended since: how far it had come, if that was recorded.
    Ended {
        /// How far it had come.
        outcome: Option<CommandOutcome>,
        /// When it ended, milliseconds since the Unix epoch.
        at_ms: u64,
        /// Who ended it; `None` if it expired.
        by: Option<String>,
    },
    /// It ended a rule: how many pods have released that rule.
    Released(CommandOutcome),
}

impl RuleOutcome {
    /// The outcome of the command behind an entry; `status` joins a rule with its receipts.
    pub fn from_entry(entry: &AuditEntry, state: &RulesState, status: &mut impl FnMut(&RuleRecord) -> RuleStatus) -> Self {
        let record = entry.rule.as_ref().and_then(|id| state.record(id));
        match (entry.event, record) {
            (AuditEvent::Refused, _) => Self::Refused,
            (_, None) => Self::Forgotten,
            (AuditEvent::TurnedOff | AuditEvent::Decorated | AuditEvent::Pinned, Some(record)) => match &record.ending {
                None => Self::InForce(CommandOutcome::from_status(&status(record))),
                Some(ending) => Self::Ended { outcome: ending.outcome, at_ms: ending.at_ms, by: ending.by.clone() },
            },
            (AuditEvent::TurnedOn | AuditEvent::Undecorated | AuditEvent::Unpinned | AuditEvent::Lapsed, Some(record)) => {
                Self::Released(CommandOutcome::from_status(&status(record)))
            }
        }
    }
}
