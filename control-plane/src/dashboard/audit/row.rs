//! A row of the audit log: every cell as finished text.

use mesh::endpoint::Endpoint;
use serde::Serialize;

use crate::counts::timeline::series::id_of;
use crate::dashboard::heading::HeadingCells;
use crate::dashboard::page::initials;
use crate::dashboard::pods::row::encoded;
use crate::dashboard::zone::Zone;
use crate::model::audit::{AuditEntry, AuditEvent, CommandOutcome};
use crate::model::reporter::Reporter;
use crate::rules::outcome::RuleOutcome;
use format::label::service_label;
use format::{number, time};

/// The heading of the day of an instant, in the reader's zone.
pub fn day(at_ms: u64, now_ms: u64, zone: &Zone) -> HeadingCells {
    let (day, date) = (zone.day_number(at_ms), zone.day(at_ms));
    let title = match zone.day_number(now_ms) - day {
        0 => format!("Today, {date}"),
        1 => format!("Yesterday, {date}"),
        _ => date,
    };
    HeadingCells::new(format!("d{day}"), title)
}

/// The live values of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditRowCells {
    /// The template that the script makes the row from.
    pub kind: &'static str,
    /// Element id.
    pub id: String,
    /// The time, for people.
    pub clock: String,
    /// The instant in RFC 3339.
    pub instant: String,
    /// Who gave the command.
    pub by: String,
    /// The address that the command came from; empty if it is not known.
    pub address: String,
    /// Letters in the circle beside the name.
    pub initials: String,
    /// CSS class of the circle.
    pub avatar: &'static str,
    /// The action.
    pub action: &'static str,
    /// CSS class of the action.
    pub action_tag: &'static str,
    /// The endpoint's method.
    pub method: String,
    /// The endpoint's route.
    pub route: String,
    /// Address of the endpoint's page.
    pub href: String,
    /// Service and pods.
    pub place: String,
    /// The reason given.
    pub reason: String,
    /// A note on the outcome.
    pub note: String,
    /// When it turns on again, or how it ended.
    pub until: String,
    /// How many pods have applied it.
    pub applied: String,
    /// CSS class of that count.
    pub applied_tag: String,
    /// How long it took, or has taken so far.
    pub applied_note: String,
    /// The rules revision.
    pub revision: String,
    /// The id of the rule, if it is in force and can be ended here.
    pub ends: String,
    /// Address of the form that ends it.
    pub end_href: String,
}

impl AuditRowCells {
    /// An empty row that the script clones.
    pub fn blank() -> Self {
        Self { kind: "row", applied_tag: "tag".into(), action_tag: "tag", avatar: "ava", ..Self::default() }
    }

    /// The row of an entry.
    pub fn of(entry: &AuditEntry, fate: &RuleOutcome, now_ms: u64, zone: &Zone) -> Self {
        let about = &entry.about;
        let (action, action_tag) = action(entry.event);
        let reporter = Reporter { namespace: &about.namespace, service: &about.service };
        let endpoint = Endpoint::named(&about.method, &about.route).ok();
        let pods = match about.pods.len() {
            0 => "all pods".into(),
            some => number::plural(some, "pod", "pods"),
        };
        let can_end = matches!((entry.event, fate), (AuditEvent::TurnedOff | AuditEvent::Decorated, RuleOutcome::InForce(_)));
        let ends = entry.rule.clone().filter(|_| can_end).unwrap_or_default();
        Self {
            kind: "row",
            id: format!("a{}", entry.number),
            clock: zone.clock(entry.at_ms),
            instant: time::instant(entry.at_ms),
            by: entry.by.clone(),
            address: entry.address.map(|address| format!("from {address}")).unwrap_or_default(),
            initials: initials(&entry.by),
            avatar: if entry.event == AuditEvent::Lapsed { "ava sys" } else { "ava" },
            action,
            action_tag,
            method: about.method.clone(),
            route: about.route.clone(),
            href: match endpoint {
                _ if about.is_prefix() => format!("./?service={}", encoded(&about.service)),
                Some(endpoint) => format!("endpoints/{}", id_of(reporter, &endpoint)),
                None => String::new(),
            },
            place: format!("{}, {pods}", service_label(&about.namespace, &about.service)),
            reason: entry.reason.clone(),
            note: [entry.note.as_str(), about.action.as_str()]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("; "),
            until: until(entry, fate, now_ms, zone),
            revision: entry.revision.map_or_else(|| number::MISSING.into(), |revision| format!("#{revision}")),
            end_href: if can_end { format!("rules/{ends}/end") } else { String::new() },
            ends,
            ..Self::applied(entry, fate, now_ms)
        }
    }

    fn applied(entry: &AuditEntry, fate: &RuleOutcome, now_ms: u64) -> Self {
        let (applied, level, applied_note) = match fate {
            RuleOutcome::Refused => ("Refused".into(), "bad", String::new()),
            RuleOutcome::Forgotten | RuleOutcome::Ended { outcome: None, .. } => (number::MISSING.into(), "none", String::new()),
            RuleOutcome::Ended { outcome: Some(outcome), .. } => finished(*outcome),
            RuleOutcome::InForce(outcome) | RuleOutcome::Released(outcome) if outcome.applied == outcome.of => finished(*outcome),
            RuleOutcome::InForce(outcome) | RuleOutcome::Released(outcome) => {
                let (words, level, _) = finished(*outcome);
                (words, level, format!("{} so far", time::span(now_ms.saturating_sub(entry.at_ms))))
            }
        };
        Self { applied, applied_tag: format!("tag {level}"), applied_note, ..Self::default() }
    }
}

/// How many pods applied a command, the level of that, and a note.
fn finished(outcome: CommandOutcome) -> (String, &'static str, String) {
    let words = format!("{} of {}", outcome.applied, number::plural(outcome.of as usize, "pod", "pods"));
    match outcome {
        CommandOutcome { of: 0, .. } => ("No pods".into(), "none", String::new()),
        CommandOutcome { refused: 1.., .. } => (words, "bad", format!("refused by {}", outcome.refused)),
        CommandOutcome { applied, of, .. } if applied < of => (words, "warn", String::new()),
        _ => (words, "ok", format!("in {} ms", number::count(outcome.slowest_ms))),
    }
}

/// The text of an action, and its CSS class.
fn action(event: AuditEvent) -> (&'static str, &'static str) {
    match event {
        AuditEvent::TurnedOff => ("Turn off", "tag bad"),
        AuditEvent::TurnedOn => ("Turn on", "tag ok"),
        AuditEvent::Lapsed => ("Expired", "tag ok"),
        AuditEvent::Decorated => ("Decorate", "tag warn"),
        AuditEvent::Undecorated => ("Undecorate", "tag ok"),
        AuditEvent::Pinned => ("Pin route", "tag acc"),
        AuditEvent::Unpinned => ("Unpin route", "tag acc"),
        AuditEvent::Refused => ("Refused", "tag warn"),
    }
}

fn until(entry: &AuditEntry, fate: &RuleOutcome, now_ms: u64, zone: &Zone) -> String {
    match (entry.event, fate) {
        (AuditEvent::TurnedOff | AuditEvent::Decorated, RuleOutcome::Ended { at_ms, by, .. }) => {
            let how = if by.is_none() { "ended" } else { "withdrawn" };
            let day = zone.day(*at_ms);
            // Below the heading of the command's day, only a different day needs its date.
            let day = if day == zone.day(entry.at_ms) { String::new() } else { format!("{day} ") };
            format!("{how} {day}{}", zone.minute(*at_ms))
        }
        (AuditEvent::TurnedOff | AuditEvent::Decorated, RuleOutcome::InForce(_)) => match entry.about.expires_ms {
            Some(expires_ms) => format!("in {}", time::left(expires_ms.saturating_sub(now_ms))),
            None => "by hand".into(),
        },
        _ => number::MISSING.into(),
    }
}
