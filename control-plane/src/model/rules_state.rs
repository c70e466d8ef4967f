//! The rules at one revision: immutable, so that readers never wait for writers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use mesh::routes::route_patterns::Pins;
use mesh::rule::DesiredRules;
use proto::convert::rules::Sealed;

use crate::model::audit;
use crate::model::rule_record::{RuleChange, RuleRecord, StoredRules};

/// Limit of audit entries in memory; all of them are in the store.
pub const AUDIT_AT_HAND_MAX: usize = 2000;

/// Limit of ended rules that can still be queried.
pub const ENDED_MAX: usize = 1000;

/// The rules at one revision.
#[derive(Debug, Clone)]
pub struct RulesState {
    /// The store whose revisions these are.
    pub store: Arc<str>,
    /// The revision.
    pub revision: u64,
    /// When it was committed or loaded, milliseconds since the Unix epoch.
    pub committed_ms: u64,
    /// Incremented to send the rules again to pods that have not confirmed them.
    pub resends: u64,
    /// Number of audit entries there have ever been.
    pub audit_entries: u64,
    in_force: HashMap<String, Arc<RuleRecord>>,
    services: HashMap<(String, String), RuleGroup>,
    /// The rules of every service that has none.
    none: RuleGroup,
    /// By namespace and service, the revision that last changed its rules.
    changed: HashMap<(String, String), u64>,
    ended: VecDeque<Arc<RuleRecord>>,
    audit: VecDeque<Arc<audit::AuditEntry>>,
}

/// The rules of one service at one revision.
#[derive(Debug, Clone, Default)]
struct RuleGroup {
    records: Arc<[Arc<RuleRecord>]>,
    pins: Arc<Pins>,
    sealed: Arc<OnceLock<Sealed>>,
}

/// What the pods of one service should obey at one revision. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ServiceRules {
    /// The store whose revision it is.
    pub store: Arc<str>,
    /// The revision.
    pub revision: u64,
    /// When it was committed, milliseconds since the Unix epoch.
    pub committed_ms: u64,
    /// The rules, oldest first.
    pub records: Arc<[Arc<RuleRecord>]>,
    /// The patterns that they pin.
    pub pins: Arc<Pins>,
    sealed: Arc<OnceLock<Sealed>>,
}

impl ServiceRules {
    /// The encoded set, the same for each pod of the service. The first caller encodes it for all
    /// others.
    pub fn sealed(&self) -> &Sealed {
        self.sealed.get_or_init(|| Sealed::new(&self.desired()))
    }

    fn desired(&self) -> DesiredRules {
        let rules = self.records.iter().map(|record| record.rule.clone()).collect();
        DesiredRules { store: self.store.as_ref().to_owned(), revision: self.revision, rules }
    }
}

impl RulesState {
    /// Builds the state from the content of the store, loaded at `now_ms`.
    pub fn load(ledger: StoredRules, now_ms: u64) -> Self {
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
            none: RuleGroup::default(),
            changed: HashMap::new(),
            ended: ended.into(),
            audit: ledger.audit.into_iter().map(Arc::new).collect(),
        };
        state.gather();
        state
    }

    /// The state after a change that the store has committed.
    #[must_use]
    pub fn after(&self, change: RuleChange, now_ms: u64) -> Self {
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

    /// The same state, with this count of resends.
    #[must_use]
    pub fn resent(self, resends: u64) -> Self {
        Self { resends, ..self }
    }

    /// Groups the rules in force by their service.
    fn gather(&mut self) {
        let mut services: HashMap<_, Vec<Arc<RuleRecord>>> = HashMap::new();
        for record in self.in_force.values() {
            let selector = &record.rule.selector;
            services.entry((selector.namespace.clone(), selector.service.clone())).or_default().push(Arc::clone(record));
        }
        self.services = services
            .into_iter()
            .map(|(service, mut records)| {
                records.sort_by_key(|record| record.revision);
                let patterns: Vec<_> = records.iter().filter_map(|record| record.rule.pattern()).collect();
                (service, RuleGroup { records: records.into(), pins: Arc::new(Pins::new(&patterns)), sealed: Arc::default() })
            })
            .collect();
        self.none = RuleGroup::default();
        self.changed.clear();
        for record in self.in_force.values().chain(&self.ended) {
            let selector = &record.rule.selector;
            let changed = self.changed.entry((selector.namespace.clone(), selector.service.clone())).or_default();
            *changed = record.ending.as_ref().map_or(record.revision, |ending| ending.revision).max(*changed);
        }
    }

    /// What the pods of a service should obey.
    pub fn of_service(&self, namespace: &str, service: &str) -> ServiceRules {
        let gathered = self.services.get(&(namespace.to_owned(), service.to_owned())).unwrap_or(&self.none);
        let RuleGroup { records, pins, sealed } = gathered.clone();
        let (store, revision, committed_ms) = (Arc::clone(&self.store), self.revision, self.committed_ms);
        ServiceRules { store, revision, committed_ms, records, pins, sealed }
    }

    /// A rule, in force or ended recently.
    pub fn record(&self, id: &str) -> Option<&Arc<RuleRecord>> {
        self.in_force.get(id).or_else(|| self.ended.iter().rev().find(|record| record.rule.id == id))
    }

    /// What each service that has rules should obey.
    pub fn services(&self) -> impl Iterator<Item = (&(String, String), ServiceRules)> {
        self.services.keys().map(|name| (name, self.of_service(&name.0, &name.1)))
    }

    /// The revision that last changed the rules of each service that has any, or had any recently.
    /// Later revisions change nothing for its pods, so a pod that has confirmed this one is not
    /// behind.
    pub fn changed(&self) -> impl Iterator<Item = (&(String, String), u64)> {
        self.changed.iter().map(|(name, revision)| (name, *revision))
    }

    /// The rules in force, in no particular order.
    pub fn in_force(&self) -> impl Iterator<Item = &Arc<RuleRecord>> {
        self.in_force.values()
    }

    /// Ended rules, the last ended first.
    pub fn ended(&self) -> impl Iterator<Item = &Arc<RuleRecord>> {
        self.ended.iter().rev()
    }

    /// The ended rules that must make room if `more` end.
    pub fn crowded_out(&self, more: usize) -> Vec<String> {
        let too_many = (self.ended.len() + more).saturating_sub(ENDED_MAX);
        self.ended.iter().take(too_many).map(|record| record.rule.id.clone()).collect()
    }

    /// Audit entries, newest first.
    pub fn audit(&self) -> impl Iterator<Item = &Arc<audit::AuditEntry>> {
        self.audit.iter().rev()
    }
}
