//! The audit trail as CSV.

use client::audit::Entry;
use format::csv::{CsvCell, text};

use crate::csv::{number, some, words};

const HEADS: [&str; 15] = [
    "number",
    "at",
    "by",
    "event",
    "namespace",
    "service",
    "method",
    "route",
    "pods",
    "status",
    "reason",
    "note",
    "expires_at",
    "rule",
    "revision",
];

/// One line for each entry.
pub(crate) fn file(entries: &[Entry]) -> String {
    text(&HEADS, entries.iter().map(row))
}

fn row(entry: &Entry) -> Vec<CsvCell> {
    vec![
        number(entry.number),
        words(&entry.at),
        words(&entry.by),
        words(&entry.event),
        words(&entry.namespace),
        words(&entry.service),
        words(&entry.method),
        words(&entry.route),
        words(&entry.pods.join(" ")),
        CsvCell::number(Some(entry.status).filter(|status| *status > 0)),
        words(&entry.reason),
        words(&entry.note),
        some(entry.expires_at.as_deref()),
        some(entry.rule.as_deref()),
        CsvCell::number(entry.revision),
    ]
}
