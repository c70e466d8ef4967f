//! Determines the outcome of the command behind an audit entry.

use crate::audit::{Entry, Event, Outcome};
use crate::rules::state::RulesState;
use crate::snapshot::RuleStatus;
use crate::store::Record;

/// The outcome of the command behind an audit entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was refused and changed nothing.
    Refused,
    /// It is no longer known.
    Forgotten,
    /// Its rule is in force: how far it has come.
    InForce(Outcome),
    /// Its rule has ended since: how far it had come, if that was recorded.
    Ended {
        /// How far it had come.
        outcome: Option<Outcome>,
        /// When it ended, milliseconds since the Unix epoch.
        at_ms: u64,
        /// Who ended it; `None` if it expired.
        by: Option<String>,
    },
    /// It ended a rule: how many pods have released that rule.
    Released(Outcome),
}

impl Fate {
    /// The outcome of the command behind an entry; `status` joins a rule with its receipts.
    pub fn of(entry: &Entry, state: &RulesState, status: &mut impl FnMut(&Record) -> RuleStatus) -> Self {
        let record = entry.rule.as_ref().and_then(|id| state.record(id));
        match (entry.event, record) {
            (Event::Refused, _) => Self::Refused,
            (_, None) => Self::Forgotten,
            (Event::TurnedOff | Event::Pinned, Some(record)) => match &record.ending {
                None => Self::InForce(Outcome::of(&status(record))),
                Some(ending) => Self::Ended { outcome: ending.outcome, at_ms: ending.at_ms, by: ending.by.clone() },
            },
            (Event::TurnedOn | Event::Unpinned | Event::Lapsed, Some(record)) => Self::Released(Outcome::of(&status(record))),
        }
    }
}
