//! The audit log as a CSV file.

use axum::response::Response;

use crate::audit::{Entry, Event, Outcome};
use crate::rules::fate::Fate;
use crate::web::csv::{self, Cell};
use crate::web::format;

/// The entries with their outcomes.
pub fn of<'a>(taken_ms: u64, entries: impl Iterator<Item = (&'a Entry, &'a Fate)>) -> Response {
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
    let row = |(entry, fate): (&Entry, &Fate)| {
        let about = &entry.about;
        let instant = |ms: Option<u64>| ms.map_or(Cell::Missing, |ms| Cell::text(format::instant(ms)));
        let (outcome, ended_ms) = match fate {
            Fate::Refused | Fate::Forgotten => (None, None),
            Fate::InForce(outcome) | Fate::Released(outcome) => (Some(*outcome), None),
            Fate::Ended { outcome, at_ms, .. } => (*outcome, Some(*at_ms)),
        };
        let outcome = |part: fn(Outcome) -> u64| Cell::number(outcome.map(part));
        vec![
            Cell::number(Some(entry.number)),
            instant(Some(entry.at_ms)),
            Cell::text(&entry.by),
            Cell::text(event(entry.event)),
            Cell::text(&about.namespace),
            Cell::text(&about.service),
            Cell::text(&about.method),
            Cell::text(&about.route),
            Cell::text(about.pods.join(" ")),
            Cell::number(Some(about.status).filter(|status| *status > 0)),
            Cell::text(&entry.reason),
            Cell::text(&entry.note),
            instant(about.expires_ms),
            instant(ended_ms),
            outcome(|outcome| outcome.applied.into()),
            outcome(|outcome| outcome.of.into()),
            outcome(|outcome| outcome.slowest_ms),
            entry.rule.as_ref().map_or(Cell::Missing, Cell::text),
            Cell::number(entry.revision),
        ]
    };
    csv::file("audit", taken_ms, &heads, entries.map(row))
}

fn event(event: Event) -> &'static str {
    match event {
        Event::TurnedOff => "turned_off",
        Event::TurnedOn => "turned_on",
        Event::Lapsed => "lapsed",
        Event::Pinned => "pinned",
        Event::Unpinned => "unpinned",
        Event::Refused => "refused",
    }
}
