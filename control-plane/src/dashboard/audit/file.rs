//! The audit log as a CSV file.

use axum::response::Response;

use crate::dashboard::csv;
use crate::model::audit::{AuditEntry, AuditEvent, CommandOutcome};
use crate::rules::outcome::RuleOutcome;
use format::csv::CsvCell;
use format::time;

/// The entries with their outcomes.
pub fn of<'a>(taken_ms: u64, entries: impl Iterator<Item = (&'a AuditEntry, &'a RuleOutcome)>) -> Response {
    let heads = [
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
        "ended_at",
        "applied",
        "of",
        "slowest_ms",
        "rule",
        "revision",
    ];
    let row = |(entry, fate): (&AuditEntry, &RuleOutcome)| {
        let about = &entry.about;
        let instant = |ms: Option<u64>| ms.map_or(CsvCell::Missing, |ms| CsvCell::text(time::instant(ms)));
        let (outcome, ended_ms) = match fate {
            RuleOutcome::Refused | RuleOutcome::Forgotten => (None, None),
            RuleOutcome::InForce(outcome) | RuleOutcome::Released(outcome) => (Some(*outcome), None),
            RuleOutcome::Ended { outcome, at_ms, .. } => (*outcome, Some(*at_ms)),
        };
        let outcome = |part: fn(CommandOutcome) -> u64| CsvCell::number(outcome.map(part));
        vec![
            CsvCell::number(Some(entry.number)),
            instant(Some(entry.at_ms)),
            CsvCell::text(&entry.by),
            CsvCell::text(event(entry.event)),
            CsvCell::text(&about.namespace),
            CsvCell::text(&about.service),
            CsvCell::text(&about.method),
            CsvCell::text(&about.route),
            CsvCell::text(about.pods.join(" ")),
            CsvCell::number(Some(about.status).filter(|status| *status > 0)),
            CsvCell::text(&entry.reason),
            CsvCell::text(&entry.note),
            instant(about.expires_ms),
            instant(ended_ms),
            outcome(|outcome| outcome.applied.into()),
            outcome(|outcome| outcome.of.into()),
            outcome(|outcome| outcome.slowest_ms),
            entry.rule.as_ref().map_or(CsvCell::Missing, CsvCell::text),
            CsvCell::number(entry.revision),
        ]
    };
    csv::file("audit", taken_ms, &heads, entries.map(row))
}

fn event(event: AuditEvent) -> &'static str {
    match event {
        AuditEvent::TurnedOff => "turned_off",
        AuditEvent::TurnedOn => "turned_on",
        AuditEvent::Lapsed => "lapsed",
        AuditEvent::Pinned => "pinned",
        AuditEvent::Unpinned => "unpinned",
        AuditEvent::Refused => "refused",
    }
}
