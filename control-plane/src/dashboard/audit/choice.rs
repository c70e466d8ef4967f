//! Filters the entries of the audit log.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::dashboard::query::ViewQuery;
use crate::dashboard::zone::Zone;
use crate::model::audit::{AuditEntry, AuditEvent};

/// Maximum number of people offered in the filter.
const PEOPLE_MAX: usize = 50;

/// A day in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// Which entries to show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AuditView {
    show: AuditShow,
    by: String,
    find: String,
    period: Period,
    /// Only entries with a smaller number.
    before: Option<u64>,
    /// The zone of the times shown.
    pub zone: Zone,
}

/// A filter by kind of entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AuditShow {
    /// All entries.
    #[default]
    All,
    /// Turned off.
    Off,
    /// Turned on, or turned on by expiry.
    On,
    /// Not yet confirmed by some pod.
    Waiting,
    /// Refused commands.
    Refused,
    /// Decorators, and rules for some requests.
    Decorators,
    /// Pinned and unpinned routes.
    Pins,
}

impl AuditShow {
    /// All filters with their URL value and their label.
    pub const EACH: [(Self, &'static str, &'static str); 7] = [
        (Self::All, "all", "All"),
        (Self::Off, "off", "Turned off"),
        (Self::On, "on", "Turned on"),
        (Self::Waiting, "waiting", "Waiting"),
        (Self::Refused, "refused", "Refused"),
        (Self::Decorators, "decorators", "Decorators"),
        (Self::Pins, "pins", "Pins"),
    ];

    fn has(self, entry: &AuditEntry, waiting: &HashSet<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Off => entry.event == AuditEvent::TurnedOff,
            Self::On => matches!(entry.event, AuditEvent::TurnedOn | AuditEvent::Lapsed),
            Self::Waiting => {
                matches!(entry.event, AuditEvent::TurnedOff | AuditEvent::Decorated)
                    && entry.rule.as_deref().is_some_and(|rule| waiting.contains(rule))
            }
            Self::Refused => entry.event == AuditEvent::Refused,
            Self::Decorators => matches!(entry.event, AuditEvent::Decorated | AuditEvent::Undecorated),
            Self::Pins => matches!(entry.event, AuditEvent::Pinned | AuditEvent::Unpinned),
        }
    }
}

/// The period to show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Period {
    /// No limit.
    #[default]
    All,
    /// The last so many days.
    Days(u64),
}

impl Period {
    /// All periods with their URL value and their label.
    pub const EACH: [(Self, &'static str, &'static str); 4] = [
        (Self::All, "", "Any time"),
        (Self::Days(1), "24h", "Last 24 h"),
        (Self::Days(7), "7d", "Last 7 days"),
        (Self::Days(30), "30d", "Last 30 days"),
    ];
}

impl AuditView {
    /// The view that a query selects, with times in `zone`.
    pub fn of(query: ViewQuery, zone: Zone) -> Self {
        let show = AuditShow::EACH.into_iter().find(|(_, name, _)| *name == query.show);
        let period = Period::EACH.into_iter().find(|(_, name, _)| *name == query.period);
        Self {
            show: show.map(|(show, ..)| show).unwrap_or_default(),
            period: period.map(|(period, ..)| period).unwrap_or_default(),
            find: query.needle(),
            by: query.by,
            before: query.before.parse().ok(),
            zone,
        }
    }
}

/// The selected entries.
#[derive(Debug, Default)]
pub struct AuditFilter {
    /// The entries, newest first.
    pub entries: Vec<Arc<AuditEntry>>,
    /// The number of entries that each filter would show.
    pub counts: [usize; AuditShow::EACH.len()],
    /// The number of the last entry shown, if there are older ones; else empty.
    pub older: String,
}

impl AuditFilter {
    /// Selects from the audit log, which is ordered newest first.
    pub fn of<'a>(
        book: impl Iterator<Item = &'a Arc<AuditEntry>>,
        view: &AuditView,
        waiting: &HashSet<&str>,
        now_ms: u64,
        limit: usize,
    ) -> Self {
        let since_ms = match view.period {
            Period::All => 0,
            Period::Days(days) => now_ms.saturating_sub(days * DAY_MS),
        };
        let mut choice = Self::default();
        for entry in book.filter(|entry| entry.at_ms >= since_ms && (view.by.is_empty() || entry.by == view.by)) {
            if !is_found(entry, &view.find) {
                continue;
            }
            for (count, (show, ..)) in choice.counts.iter_mut().zip(AuditShow::EACH) {
                *count += usize::from(show.has(entry, waiting));
            }
            if !view.show.has(entry, waiting) || view.before.is_some_and(|before| entry.number >= before) {
                continue;
            }
            match choice.entries.last() {
                Some(last) if choice.entries.len() == limit => choice.older = last.number.to_string(),
                _ => choice.entries.push(Arc::clone(entry)),
            }
        }
        choice
    }
}

fn is_found(entry: &AuditEntry, find: &str) -> bool {
    let about = &entry.about;
    let texts = [&about.route, &about.service, &entry.by, &entry.reason, &entry.note, &about.method, &about.namespace];
    find.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(find))
}

/// The names of all authors in the audit log, sorted.
pub fn people<'a>(book: impl Iterator<Item = &'a Arc<AuditEntry>>) -> Vec<String> {
    let people: BTreeSet<&str> = book.map(|entry| &*entry.by).collect();
    people.into_iter().take(PEOPLE_MAX).map(str::to_owned).collect()
}
