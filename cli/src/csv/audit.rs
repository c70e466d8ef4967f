//! The audit trail as CSV.

use api::audit::AuditLogEntry;
use format::column::{AuditColumn, Column};
use format::csv::{CsvCell, table};

use crate::csv::{name, number, some, words};

/// One line for each entry.
pub(crate) fn file(entries: &[AuditLogEntry]) -> String {
    let columns = AuditColumn::without(&[AuditColumn::EndedAt, AuditColumn::Applied, AuditColumn::Of, AuditColumn::Slowest]);
    table(&columns, entries, cell)
}

fn cell(entry: &AuditLogEntry, column: AuditColumn) -> CsvCell {
    match column {
        AuditColumn::Number => number(entry.number),
        AuditColumn::At => words(&entry.at),
        AuditColumn::By => words(&entry.by),
        AuditColumn::Address => some(entry.address.as_deref()),
        AuditColumn::Event => name(&entry.event),
        AuditColumn::Namespace => words(&entry.namespace),
        AuditColumn::Service => words(&entry.service),
        AuditColumn::Method => words(&entry.method),
        AuditColumn::Route => words(&entry.route),
        AuditColumn::Pods => words(&entry.pods.join(" ")),
        AuditColumn::Status => CsvCell::number(Some(entry.status).filter(|status| *status > 0)),
        AuditColumn::Reason => words(&entry.reason),
        AuditColumn::Note => words(&entry.note),
        AuditColumn::ExpiresAt => some(entry.expires_at.as_deref()),
        AuditColumn::Rule => some(entry.rule.as_deref()),
        AuditColumn::Revision => CsvCell::number(entry.revision),
        // The dashboard alone writes these.
        AuditColumn::EndedAt | AuditColumn::Applied | AuditColumn::Of | AuditColumn::Slowest => CsvCell::Missing,
    }
}
