//! The rule by which replicas apply a shared log of writes, so that all of them reach the same store.
//!
//! A log stores what is published, in one order. A publish may arrive late, twice or not at all, and a leader may not
//! know that another one has taken its place. Two checks make that harmless:
//!
//! - The *term* is the sequence of the newest message by which a replica takes the lead. Writes of another term are
//!   ignored, so an older leader changes nothing from that message on.
//! - Within a term, a write of windows names the mark that each process had before it. It is taken only if all of them
//!   still hold, so a repeated write counts nothing twice, and one that skips a lost write is refused.

use crate::store::metrics_store::{Advance, Append, Handover, Process, SeriesName};
use crate::store::notice_store::NoticeChange;

pub mod codec;
pub mod rule_message;

/// A write that replicas apply in the order of the log.
#[derive(Debug, Clone)]
pub enum LogWrite {
    /// Counts and marks.
    Append(Append),
    /// Series to delete.
    Forget(Vec<SeriesName>),
    /// What the next leader needs besides the counts.
    Record(Handover),
    /// Notices and their messages.
    Notices(NoticeChange),
    /// All sign-in sessions, as JSON. They hold hashes of ids, and no id.
    Sessions(String),
    /// The key of the CA that replicas share, sealed.
    CaKey(String),
}

/// How far a replica has applied the logs. Zero is before the first message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogPosition {
    /// The last sequence of the log of windows.
    pub sequence: u64,
    /// The term at that sequence.
    pub term: u64,
    /// The last sequence of the log of rules.
    pub rules_sequence: u64,
}

impl LogPosition {
    /// Whether a write of this term is applied at this position.
    pub fn admits(&self, term: u64) -> bool {
        self.term == term
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is applied.
    Taken,
    /// It was decided on other marks than those in the store, and changed nothing.
    Stale,
    /// A leader of another term wrote it, and it changed nothing.
    OtherTerm,
}

/// Whether a write follows what is stored: each process still has the mark on which the write was decided.
pub fn follows<E>(advances: &[Advance], mut mark: impl FnMut(&Process) -> Result<u64, E>) -> Result<Verdict, E> {
    for advance in advances {
        if mark(&advance.process)? != advance.from {
            return Ok(Verdict::Stale);
        }
    }
    Ok(Verdict::Taken)
}

#[cfg(test)]
mod tests;
