//! The newest audit entries about an endpoint.

use mesh::rule::prefix_of;
use serde::Serialize;

use crate::dashboard::zone::Zone;
use crate::model::audit::{AuditEntry, AuditEvent};
use crate::query::snapshot::EndpointRow;
use format::{number, time};

/// Maximum number of entries shown; the audit log has them all.
pub const SHOWN_MAX: usize = 8;

/// The period in which switches are counted: 30 days.
const LATELY_MS: u64 = 30 * 86_400_000;

/// The live values of one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PastEntryCells {
    /// Day and time in the reader's zone.
    pub at: String,
    /// The instant in RFC 3339.
    pub instant: String,
    /// The action.
    pub action: &'static str,
    /// CSS class such as `tag bad`; `tag` if the row is unused.
    pub class: &'static str,
    /// `entry`; empty if the row is unused.
    pub kind: &'static str,
    /// Who gave the command.
    pub by: String,
    /// The reason given.
    pub reason: String,
    /// The outcome.
    pub note: String,
}

/// Whether an entry is about an endpoint, by its current name.
pub fn is_about(entry: &AuditEntry, row: &EndpointRow) -> bool {
    let about = &entry.about;
    let is_pin = matches!(entry.event, AuditEvent::Pinned | AuditEvent::Unpinned);
    let is_it = about.route == row.endpoint.route() && (about.method == row.endpoint.method() || is_pin);
    let is_above =
        !is_pin && about.is_prefix() && prefix_of(&about.route).is_some_and(|prefix| row.endpoint.route().starts_with(prefix));
    (is_it || is_above) && about.service == row.service && about.namespace == row.namespace
}

/// The rows, newest first.
pub fn rows<'a>(entries: impl Iterator<Item = &'a AuditEntry>, zone: &Zone) -> [PastEntryCells; SHOWN_MAX] {
    let mut rows = std::array::from_fn(|_| PastEntryCells { class: "tag", ..PastEntryCells::default() });
    for (cells, entry) in rows.iter_mut().zip(entries) {
        *cells = cells_of(entry, zone);
    }
    rows
}

/// A sentence such as `switched off 2 times in 30 days`.
pub fn switched<'a>(entries: impl Iterator<Item = &'a AuditEntry>, now_ms: u64) -> String {
    let is_switch = |entry: &&AuditEntry| matches!(entry.event, AuditEvent::TurnedOff) && entry.at_ms + LATELY_MS > now_ms;
    match entries.filter(is_switch).count() {
        0 => "not switched off in 30 days".into(),
        1 => "switched off once in 30 days".into(),
        times => format!("switched off {} times in 30 days", number::count(times as u64)),
    }
}

fn cells_of(entry: &AuditEntry, zone: &Zone) -> PastEntryCells {
    let (action, class) = match entry.event {
        AuditEvent::TurnedOff => ("Turned off", "tag bad"),
        AuditEvent::TurnedOn => ("Turned on", "tag ok"),
        AuditEvent::Lapsed if !entry.about.action.is_empty() => ("Expired", "tag ok"),
        AuditEvent::Lapsed => ("Expired, on again", "tag ok"),
        AuditEvent::Decorated => ("Decorated", "tag warn"),
        AuditEvent::Undecorated => ("Undecorated", "tag ok"),
        AuditEvent::Pinned => ("Pinned", "tag acc"),
        AuditEvent::Unpinned => ("Unpinned", "tag warn"),
        AuditEvent::Refused => ("Refused", "tag warn"),
    };
    PastEntryCells {
        at: zone.moment(entry.at_ms),
        instant: time::instant(entry.at_ms),
        action,
        class,
        kind: "entry",
        by: entry.by.clone(),
        reason: entry.reason.clone(),
        note: if entry.note.is_empty() { entry.about.action.clone() } else { entry.note.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;
    use crate::dashboard::sample::NOW_MS;
    use crate::model::audit::AuditSubject;

    fn entry(at_ms: u64, event: AuditEvent) -> AuditEntry {
        let status = sample::rule(&sample::snapshot().endpoints[3], &[]);
        let about = AuditSubject::rule(&status.rule);
        let (by, reason) = ("operator".to_owned(), "why".to_owned());
        AuditEntry { number: 1, at_ms, by, address: None, event, rule: None, revision: None, about, reason, note: String::new() }
    }

    #[test]
    fn only_what_is_about_it_counts() {
        let snapshot = sample::snapshot();
        let mut entry = entry(NOW_MS, AuditEvent::TurnedOff);
        assert!(is_about(&entry, &snapshot.endpoints[3]) && !is_about(&entry, &snapshot.endpoints[0]));
        entry.about.method = "*".into();
        assert!(!is_about(&entry, &snapshot.endpoints[3]));
        entry.event = AuditEvent::Pinned;
        assert!(is_about(&entry, &snapshot.endpoints[3]), "a pin is for every method");
    }

    #[test]
    fn switches_of_the_last_month_are_counted() {
        let entries =
            [entry(NOW_MS, AuditEvent::TurnedOff), entry(NOW_MS, AuditEvent::TurnedOn), entry(0, AuditEvent::TurnedOff)];
        assert_eq!(switched(entries.iter(), NOW_MS), "switched off once in 30 days");
        assert_eq!(switched([].iter(), NOW_MS), "not switched off in 30 days");
        let rows = rows(entries.iter(), &Zone::default());
        assert_eq!((rows[1].action, rows[2].at.as_str(), rows[3].kind), ("Turned on", "1 January 1970, 00:00:00 UTC", ""));
    }
}
