//! The audit log as a CSV file.

use axum::response::Response;

use crate::dashboard::csv;
use crate::model::audit::{AuditEntry, AuditEvent};
use crate::rules::outcome::RuleOutcome;
use format::column::{AuditColumn, Column};
use format::csv::{CsvCell, table};

/// The entries with their outcomes.
pub fn of<'a>(taken_ms: u64, entries: impl Iterator<Item = (&'a AuditEntry, &'a RuleOutcome)>) -> Response {
    csv::file("audit", taken_ms, table(AuditColumn::ALL, entries, cell))
}

fn cell((entry, fate): (&AuditEntry, &RuleOutcome), column: AuditColumn) -> CsvCell {
    let about = &entry.about;
    let (outcome, ended_ms) = match fate {
        RuleOutcome::Refused | RuleOutcome::Forgotten => (None, None),
        RuleOutcome::InForce(outcome) | RuleOutcome::Released(outcome) => (Some(*outcome), None),
        RuleOutcome::Ended { outcome, at_ms, .. } => (*outcome, Some(*at_ms)),
    };
    match column {
        AuditColumn::Number => CsvCell::number(Some(entry.number)),
        AuditColumn::At => csv::instant(Some(entry.at_ms)),
        AuditColumn::By => CsvCell::text(&entry.by),
        AuditColumn::Address => entry.address.map_or(CsvCell::Missing, |address| CsvCell::text(address.to_string())),
        AuditColumn::Event => CsvCell::text(event(entry.event)),
        AuditColumn::Namespace => CsvCell::text(&about.namespace),
        AuditColumn::Service => CsvCell::text(&about.service),
        AuditColumn::Method => CsvCell::text(&about.method),
        AuditColumn::Route => CsvCell::text(&about.route),
        AuditColumn::Pods => CsvCell::text(about.pods.join(" ")),
        AuditColumn::Status => CsvCell::number(Some(about.status).filter(|status| *status > 0)),
        AuditColumn::Reason => CsvCell::text(&entry.reason),
        AuditColumn::Note => CsvCell::text(&entry.note),
        AuditColumn::ExpiresAt => csv::instant(about.expires_ms),
        AuditColumn::EndedAt => csv::instant(ended_ms),
        AuditColumn::Applied => CsvCell::number(outcome.map(|outcome| outcome.applied)),
        AuditColumn::Of => CsvCell::number(outcome.map(|outcome| outcome.of)),
        AuditColumn::Slowest => CsvCell::number(outcome.map(|outcome| outcome.slowest_ms)),
        AuditColumn::Rule => entry.rule.as_ref().map_or(CsvCell::Missing, CsvCell::text),
        AuditColumn::Revision => CsvCell::number(entry.revision),
    }
}

fn event(event: AuditEvent) -> &'static str {
    match event {
        AuditEvent::TurnedOff => "turned_off",
        AuditEvent::TurnedOn => "turned_on",
        AuditEvent::Lapsed => "lapsed",
        AuditEvent::Decorated => "decorated",
        AuditEvent::Undecorated => "undecorated",
        AuditEvent::Pinned => "pinned",
        AuditEvent::Unpinned => "unpinned",
        AuditEvent::Refused => "refused",
    }
}
