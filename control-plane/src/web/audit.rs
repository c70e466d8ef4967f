//! The page of the audit log: every command, who gave it and why, newest first.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use crate::audit::{Entry, Event};
use crate::snapshot::Snapshot;
use crate::web::Web;
use crate::web::format;
use crate::web::page::{Page, Shell};
use crate::web::row::service_label;
use crate::web::view::Span;

/// Entries on the page; the API has them all.
const ENTRIES_SHOWN: usize = 200;

/// The page.
#[derive(Template)]
#[template(path = "audit.html")]
pub struct AuditPage {
    shell: Shell,
    days: Vec<Day>,
    foot: String,
}

/// The entries of one day.
struct Day {
    title: String,
    entries: Vec<EntryCells>,
}

/// One entry's row.
struct EntryCells {
    clock: String,
    instant: String,
    by: String,
    /// What stands in the circle beside the name.
    initials: String,
    is_sitio: bool,
    action: &'static str,
    level: &'static str,
    method: String,
    route: String,
    place: String,
    reason: String,
    note: String,
    until: String,
    until_instant: String,
    revision: String,
}

/// `GET /audit`
pub async fn audit(State(web): State<Arc<Web>>) -> Page<AuditPage> {
    let snapshot = web.snapshot(Span::default());
    let entries = web.audit(ENTRIES_SHOWN);
    Page(AuditPage::of(&snapshot, &entries))
}

impl AuditPage {
    fn of(snapshot: &Snapshot, entries: &[Entry]) -> Self {
        let mut days: Vec<Day> = Vec::new();
        for entry in entries {
            let title = format::day(entry.at_ms);
            if days.last().is_none_or(|day| day.title != title) {
                days.push(Day { title, entries: Vec::new() });
            }
            let day = days.last_mut().expect("a day was pushed if there was none");
            day.entries.push(EntryCells::of(entry));
        }
        let foot = format!("Showing {} of {}", format::count(entries.len() as u64), format::count(snapshot.audit_entries));
        Self { shell: Shell::of("audit", "Audit log", snapshot), days, foot }
    }
}

impl EntryCells {
    fn of(entry: &Entry) -> Self {
        let (action, level) = match entry.event {
            Event::TurnedOff => ("Turn off", "bad"),
            Event::TurnedOn | Event::Lapsed => ("Turn on", "ok"),
            Event::Pinned => ("Pin route", "ok"),
            Event::Unpinned => ("Unpin route", "warn"),
            Event::Refused => ("Refused", "warn"),
        };
        let about = &entry.about;
        let pods = match about.pods.len() {
            0 => "all pods".into(),
            some => format::plural(some, "pod", "pods"),
        };
        Self {
            clock: format::clock(entry.at_ms),
            instant: format::instant(entry.at_ms),
            by: entry.by.clone(),
            initials: initials(&entry.by),
            is_sitio: entry.event == Event::Lapsed,
            action,
            level,
            method: about.method.clone(),
            route: about.route.clone(),
            place: format!("{}, {pods}", service_label(&about.namespace, &about.service)),
            reason: entry.reason.clone(),
            note: entry.note.clone(),
            until: match (entry.event, about.expires_ms) {
                (Event::TurnedOff, Some(expires_ms)) => format!("{} UTC", format::clock(expires_ms)),
                (Event::TurnedOff, None) => "by hand".into(),
                _ => format::MISSING.into(),
            },
            until_instant: about.expires_ms.map_or_else(String::new, format::instant),
            revision: entry.revision.map_or_else(|| format::MISSING.into(), |revision| format!("#{revision}")),
        }
    }
}

/// Up to two letters to recognise a person by.
fn initials(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).take(2).flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::About;
    use crate::web::sample;

    fn entry(number: u64, at_ms: u64, event: Event) -> Entry {
        let snapshot = sample::snapshot();
        let status = sample::rule(&snapshot.endpoints[3], &[]);
        Entry {
            number,
            at_ms,
            by: "operator".into(),
            event,
            rule: Some("r-118".into()),
            revision: Some(118),
            about: About::rule(&status.rule),
            reason: "<script>alert(1)</script>".into(),
            note: String::new(),
        }
    }

    #[test]
    fn entries_stand_under_their_day() {
        let entries = [
            entry(3, sample::NOW_MS, Event::TurnedOn),
            entry(2, sample::NOW_MS - 1000, Event::TurnedOff),
            entry(1, sample::NOW_MS - 86_400_000, Event::Refused),
        ];
        let page = AuditPage::of(&sample::snapshot(), &entries);
        let days: Vec<_> = page.days.iter().map(|day| (day.title.as_str(), day.entries.len())).collect();
        assert_eq!(days, [("20 November 2025", 2), ("19 November 2025", 1)]);
        assert_eq!(page.days[0].entries[1].until, "14:49:41 UTC");
        assert_eq!(page.foot, "Showing 3 of 38");
    }

    #[test]
    fn a_reason_is_text_whatever_it_says() {
        let html = AuditPage::of(&sample::snapshot(), &[entry(1, sample::NOW_MS, Event::TurnedOff)]).render().unwrap();
        assert!(!html.contains("<script>alert"));
        assert!(html.contains("OP"));
    }
}
