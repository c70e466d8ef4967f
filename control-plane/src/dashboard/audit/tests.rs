//! Rendering of the audit log: by day, filtered, and with hostile text.

use std::sync::Arc;

use crate::dashboard::audit::*;
use crate::dashboard::sample;
use crate::dashboard::sample::NOW_MS;
use crate::model::audit::{AuditEntry, AuditEvent, AuditSubject, CommandOutcome};

fn entry(number: u64, at_ms: u64, event: AuditEvent) -> Arc<AuditEntry> {
    let snapshot = sample::snapshot();
    let status = sample::rule(&snapshot.endpoints[3], &[]);
    Arc::new(AuditEntry {
        number,
        at_ms,
        by: "operator".into(),
        address: None,
        event,
        rule: Some("r-118".into()),
        revision: Some(118),
        about: AuditSubject::rule(&status.rule),
        reason: "<script>alert(1)</script>".into(),
        note: String::new(),
    })
}

fn view(query: &str) -> ViewQuery {
    Query::<ViewQuery>::try_from_uri(&format!("/audit?{query}").parse().unwrap()).unwrap().0
}

fn book() -> [Arc<AuditEntry>; 3] {
    [
        entry(3, NOW_MS - 12_000, AuditEvent::TurnedOff),
        entry(2, NOW_MS - 60_000, AuditEvent::Lapsed),
        entry(1, NOW_MS - 86_400_000, AuditEvent::Refused),
    ]
}

fn audit(query: &str, fates: &[RuleOutcome]) -> AuditLogView {
    let choice =
        AuditFilter::of(book().iter(), &AuditView::of(view(query), Zone::default()), &HashSet::from(["r-118"]), NOW_MS, 200);
    AuditLogView::of(&sample::snapshot(), &choice, fates, &Zone::default())
}

fn outcome(applied: u32, of: u32) -> CommandOutcome {
    CommandOutcome { applied, of, refused: 0, slowest_ms: 44 }
}

fn fates() -> [RuleOutcome; 3] {
    [RuleOutcome::InForce(outcome(3, 4)), RuleOutcome::Released(outcome(4, 4)), RuleOutcome::Refused]
}

#[test]
fn entries_stand_under_their_day_with_what_became_of_them() {
    let audit = audit("", &fates());
    let days: Vec<_> = audit.days.iter().map(|day| (day.heading.title.as_str(), day.entries.len())).collect();
    assert_eq!(days, [("Today, 20 November 2025", 2), ("Yesterday, 19 November 2025", 1)]);
    let shown: Vec<_> = audit.days.iter().flat_map(|day| &day.entries).collect();
    let fates: Vec<_> = shown.iter().map(|entry| format!("{} {}", entry.applied, entry.applied_note)).collect();
    assert_eq!(fates, ["3 of 4 pods 12 s so far", "4 of 4 pods in 44 ms", "Refused "]);
    assert_eq!((shown[0].until.as_str(), shown[0].ends.as_str()), ("in 42 min", "r-118"));
    assert_eq!((shown[1].until.as_str(), shown[1].ends.as_str()), ("–", ""));
    assert_eq!(audit.page.foot, "Showing 3 of 38");
}

#[test]
fn a_rule_that_was_taken_back_says_when_and_how_far_it_had_come() {
    let ended = RuleOutcome::Ended { outcome: Some(outcome(4, 4)), at_ms: NOW_MS, by: Some("operator".into()) };
    let audit = audit("show=off", &[ended]);
    let entry = &audit.days[0].entries[0];
    assert_eq!(
        (entry.until.as_str(), entry.applied.as_str(), entry.applied_note.as_str()),
        ("withdrawn 14:07", "4 of 4 pods", "in 44 ms")
    );
    assert!(entry.ends.is_empty());
}

#[test]
fn days_and_times_are_those_of_the_reader() {
    let zone = Zone::named("Pacific/Auckland");
    let choice = AuditFilter::of(book().iter(), &AuditView::of(view(""), zone.clone()), &HashSet::new(), NOW_MS, 200);
    let ended = RuleOutcome::Ended { outcome: None, at_ms: NOW_MS, by: None };
    let audit = AuditLogView::of(&sample::snapshot(), &choice, &[ended, RuleOutcome::Forgotten, RuleOutcome::Refused], &zone);
    assert_eq!(
        (audit.page.zone.as_str(), audit.days[0].heading.title.as_str()),
        ("Times are in the zone Pacific/Auckland.", "Today, 21 November 2025")
    );
    let newest = &audit.days[0].entries[0];
    assert_eq!((newest.clock.as_str(), newest.until.as_str()), ("03:07:29", "ended 03:07"));
    assert_eq!(newest.instant, "2025-11-20T14:07:29.000Z", "programs get the same everywhere");
}

#[test]
fn the_filter_chooses_and_counts() {
    let numbers = |query: &str| -> (Vec<u64>, [usize; 7], String) {
        let choice =
            AuditFilter::of(book().iter(), &AuditView::of(view(query), Zone::default()), &HashSet::from(["r-118"]), NOW_MS, 2);
        (choice.entries.iter().map(|entry| entry.number).collect(), choice.counts, choice.older)
    };
    assert_eq!(numbers(""), (vec![3, 2], [3, 1, 1, 1, 1, 0, 0], "2".into()));
    assert_eq!(numbers("before=2").0, [1]);
    assert_eq!(numbers("show=refused").0, [1]);
    assert_eq!(numbers("show=waiting").0, [3]);
    assert_eq!(numbers("period=24h&find=ALERT").0, [3, 2]);
    assert!(numbers("by=missing").0.is_empty());
}

#[test]
fn a_reason_is_text_whatever_it_says() {
    let page = AuditPage::of(
        &sample::snapshot(),
        audit("", &fates()),
        vec!["operator".into()],
        view("find=%22%3E%3Cscript"),
        sample::operator(),
    );
    let html = page.render().unwrap();
    assert!(!html.contains("<script>alert") && !html.contains("\"><script") && !html.contains(" style="));
    assert!(html.contains("OP") && html.contains("action=\"rules/r-118/end\""));
    assert!(html.contains("href=\"audit.csv?find=%22%3E%3Cscript\""));
}
