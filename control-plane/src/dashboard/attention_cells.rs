//! One item of the lists above the tables: what is wrong with which subject, since when.

use serde::Serialize;

/// The live values of one item; an empty item is not shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AttentionCells {
    /// `bad`, `warn`, `wait` or empty: selects the icon; an empty item is hidden.
    pub kind: &'static str,
    /// Address that the item links to.
    pub href: String,
    /// The endpoint or other subject.
    pub title: String,
    /// The problem, in words that may be coloured.
    pub strong: String,
    /// The rest of the sentence.
    pub rest: String,
    /// The time at the end of the sentence, in milliseconds since the Unix epoch; empty if there is none.
    pub since_ms: String,
    /// The same time for people, in UTC; the script formats it in the reader's zone.
    pub since: String,
    /// The rule in progress that the item is about; empty if none.
    pub rule: String,
}
