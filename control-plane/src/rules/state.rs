//! The rules at one revision, as everybody sees them: immutable, so that whoever reads never waits for whoever writes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use mesh::routes::pins::Pins;
use mesh::rule::DesiredRules;
use proto::convert::rules::Sealed;

use crate::audit;
use crate::store::{Change, Ledger, Record};

/// Audit entries kept at hand; all of them are in the store.
pub const AUDIT_AT_HAND_MAX: usize = 2000;

/// Rules that have ended and can still be asked for.
pub const ENDED_MAX: usize = 1000;

/// The rules at one revision.
#[derive(Debug, Clone)]
pub struct RulesState {
    /// The store whose revisions these are.
    pub store: Arc<str>,
    /// The revision.
    pub revision: u64,
    /// When it was made, or loaded, milliseconds since the Unix epoch.
    pub committed_ms: u64,
    /// Counts up when the rules are to be sent again to pods that have not confirmed them.
    pub resends: u64,
    /// How many audit entries there have ever been.
    pub audit_entries: u64,
    in_force: HashMap<String, Arc<Record>>,
    services: HashMap<(String, String), Gathered>,
    /// Those of every service that has none.
    none: Gathered,
    /// By namespace and service, the revision that last changed its rules.
    changed: HashMap<(String, String), u64>,
    ended: VecDeque<Arc<Record>>,
    audit: VecDeque<Arc<audit::Entry>>,
}

/// The rules of one service at one revision.
#[derive(Debug, Clone, Default)]
struct Gathered {
    records: Arc<[Arc<Record>]>,
    pins: Arc<Pins>,
    sealed: Arc<OnceLock<Sealed>>,
}

/// What one service's pods should obey at one revision. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ServiceRules {
    /// The store whose revision it is.
    pub store: Arc<str>,
    /// The revision.
    pub revision: u64,
    /// When it was made, milliseconds since the Unix epoch.
    pub committed_ms: u64,
    /// The rules, by id.
    pub records: Arc<[Arc<Record>]>,
    /// The patterns that they pin.
    pub pins: Arc<Pins>,
    sealed: Arc<OnceLock<Sealed>>,
}

impl ServiceRules {
    /// The set as it goes to each pod of the service. Whoever asks first puts it on the wire for all others.
    pub fn sealed(&self) -> &Sealed {
        self.sealed.get_or_init(|| Sealed::of(&self.desired()))
    }

    fn desired(&self) -> DesiredRules {
        let rules = self.records.iter().map(|record| record.rule.clone()).collect();
        DesiredRules { store: self.store.as_ref().to_owned(), revision: self.revision, rules }
    }
}

impl RulesState {
    /// What the store holds, loaded at `now_ms`.
    pub fn load(ledger: Ledger, now_ms: u64) -> Self {
        let records = ledger.records.into_iter().map(Arc::new);
        let (in_force, mut ended): (Vec<_>, Vec<_>) = records.partition(|record| record.ending.is_none());
        ended.sort_by_key(|record| record.ending.as_ref().map(|ending| ending.revision));
        let mut state = Self {
            store: ledger.store.into(),
            revision: ledger.revision,
            committed_ms: now_ms,
            resends: 0,
            audit_entries: ledger.audit_entries,
            in_force: in_force.into_iter().map(|record| (record.rule.id.clone(), record)).collect(),
            services: HashMap::new(),
            none: Gathered::default(),
            changed: HashMap::new(),
            ended: ended.into(),
            audit: ledger.audit.into_iter().map(Arc::new).collect(),
        };
        state.gather();
        state
    }

    /// The state after a change that the store has taken.
    #[must_use]
    pub fn after(&self, change: Change, now_ms: u64) -> Self {
        let mut next = self.clone();
        next.audit_entries = change.audit.last().map_or(next.audit_entries, |entry| entry.number);
        next.audit.extend(change.audit.into_iter().map(Arc::new));
        let too_many = next.audit.len().saturating_sub(AUDIT_AT_HAND_MAX);
        next.audit.drain(..too_many);
        if change.to == self.revision {
            return next;
        }
        (next.revision, next.committed_ms) = (change.to, now_ms);
        for record in change.put.into_iter().map(Arc::new) {
            if record.ending.is_some() {
                next.in_force.remove(&record.rule.id);
                next.ended.push_back(record);
            } else {
                next.in_force.insert(record.rule.id.clone(), record);
            }
        }
        next.ended.retain(|record| !change.drop.contains(&record.rule.id));
        next.gather();
        next
    }

    /// The same state, to be sent for so many times.
    #[must_use]
    pub fn resent(self, resends: u64) -> Self {
        Self { resends, ..self }
    }

    /// Sorts the rules in force by the service that they are for.
    fn gather(&mut self) {
        let mut services: HashMap<_, Vec<Arc<Record>>> = HashMap::new();
        for record in self.in_force.values() {
            let selector = &record.rule.selector;
            services.entry((selector.namespace.clone(), selector.service.clone())).or_default().push(Arc::clone(record));
        }
        self.services = services
            .into_iter()
            .map(|(service, mut records)| {
                records.sort_by_key(|record| record.revision);
                let patterns: Vec<_> = records.iter().filter_map(|record| record.rule.pattern()).collect();
                (service, Gathered { records: records.into(), pins: Arc::new(Pins::new(&patterns)), sealed: Arc::default() })
            })
            .collect();
        self.none = Gathered::default();
        self.changed.clear();
        for record in self.in_force.values().chain(&self.ended) {
            let selector = &record.rule.selector;
            let changed = self.changed.entry((selector.namespace.clone(), selector.service.clone())).or_default();
            *changed = record.ending.as_ref().map_or(record.revision, |ending| ending.revision).max(*changed);
        }
    }

    /// What a service's pods should obey.
    pub fn of_service(&self, namespace: &str, service: &str) -> ServiceRules {
        let gathered = self.services.get(&(namespace.to_owned(), service.to_owned())).unwrap_or(&self.none);
        let Gathered { records, pins, sealed } = gathered.clone();
        let (store, revision, committed_ms) = (Arc::clone(&self.store), self.revision, self.committed_ms);
        ServiceRules { store, revision, committed_ms, records, pins, sealed }
    }

    /// A rule, in force or ended not too long ago.
    pub fn record(&self, id: &str) -> Option<&Arc<Record>> {
        self.in_force.get(id).or_else(|| self.ended.iter().rev().find(|record| record.rule.id == id))
    }

    /// What each service that has rules should obey.
    pub fn services(&self) -> impl Iterator<Item = (&(String, String), ServiceRules)> {
        self.services.keys().map(|name| (name, self.of_service(&name.0, &name.1)))
    }

    /// The revision that last changed the rules of each service that has any, or whose rules ended not too long ago. At a
    /// later revision its pods obey the same, so whoever has confirmed this one is not behind.
    pub fn changed(&self) -> impl Iterator<Item = (&(String, String), u64)> {
        self.changed.iter().map(|(name, revision)| (name, *revision))
    }

    /// The rules in force, in no particular order.
    pub fn in_force(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.in_force.values()
    }

    /// Rules that have ended, the newest ending first.
    pub fn ended(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.ended.iter().rev()
    }

    /// The rules that have ended and must make room if `more` end.
    pub fn crowded_out(&self, more: usize) -> Vec<String> {
        let too_many = (self.ended.len() + more).saturating_sub(ENDED_MAX);
        self.ended.iter().take(too_many).map(|record| record.rule.id.clone()).collect()
    }

    /// Audit entries, the newest first.
    pub fn audit(&self) -> impl Iterator<Item = &Arc<audit::Entry>> {
        self.audit.iter().rev()
    }
}
