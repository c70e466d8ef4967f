//! What became of the command behind an entry of the audit book.

use crate::audit::{Entry, Event, Outcome};
use crate::rules::state::RulesState;
use crate::snapshot::RuleStatus;
use crate::store::Record;

/// What became of the command behind an entry of the audit book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: it was refused.
    Refused,
    /// That is not known any more.
    Forgotten,
    /// Its rule is in force, and this is how far it has come.
    InForce(Outcome),
    /// Its rule has ended since; this is how far it had come, if that was written down.
    Ended {
        /// How far it had come.
        outcome: Option<Outcome>,
        /// When it ended, milliseconds since the Unix epoch.
        at_ms: u64,
        /// Who ended it; `None` if its time was over.
        by: Option<String>,
    },
    /// It ended a rule, and this is how many pods have let go of it.
    Released(Outcome),
}

impl Fate {
    /// The fate of the command behind an entry; `status` joins a rule with its receipts.
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
