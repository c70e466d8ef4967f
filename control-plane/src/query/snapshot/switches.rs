//! Computes the switch of each endpoint, and the state of each pod behind it, only from what pods have confirmed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::rule::{Protection, Scope};

use crate::counts::fleet::pod::PodView;
use crate::counts::timeline::series::Series;
use crate::model::pod::{PodState, Serving, ServingState};
use crate::model::rule_record::RuleRecord;
use crate::model::rule_status::ReceiptState;
use crate::model::rules_state::RulesState;
use crate::model::switch::Switch;
use crate::query::snapshot::pods::FleetView;
use crate::rules::effect::Effect;
use crate::rules::receipts;

/// The rules of a snapshot, by endpoint.
#[derive(Debug)]
pub(super) struct Switches<'a> {
    endpoints: HashMap<Name<'a>, Commands<'a>>,
    /// By namespace and service, the rules for a prefix: first those in force, then the ended ones,
    /// each newest first.
    prefixes: HashMap<(&'a str, &'a str), Vec<&'a RuleRecord>>,
}

/// Namespace, service and endpoint.
type Name<'a> = (&'a str, &'a str, &'a Endpoint);

#[derive(Debug, Clone, Default)]
struct Commands<'a> {
    /// Newest first.
    in_force: Vec<&'a RuleRecord>,
    newest_ended: Option<&'a RuleRecord>,
}

impl<'a> Switches<'a> {
    pub(super) fn from_rules(rules: &'a RulesState) -> Self {
        let mut endpoints: HashMap<Name<'a>, Commands<'a>> = HashMap::new();
        // A rule for some requests, or with a decorator, leaves the endpoint on.
        let turns_off = |record: &&Arc<RuleRecord>| record.rule.turns_off().is_some();
        let is_of_one = |record: &&Arc<RuleRecord>| record.rule.scope == Scope::Endpoint;
        for record in rules.in_force().filter(turns_off).filter(is_of_one) {
            endpoints.entry(name_of(record)).or_default().in_force.push(record);
        }
        for record in rules.ended().filter(turns_off).filter(is_of_one) {
            endpoints.entry(name_of(record)).or_default().newest_ended.get_or_insert(record);
        }
        let mut prefixes: HashMap<(&str, &str), Vec<&RuleRecord>> = HashMap::new();
        let mut in_force: Vec<_> = rules.in_force().filter(turns_off).filter(|record| !is_of_one(record)).collect();
        in_force.sort_by_key(|record| std::cmp::Reverse(record.revision));
        for record in in_force.into_iter().chain(rules.ended().filter(turns_off).filter(|record| !is_of_one(record))) {
            let selector = &record.rule.selector;
            prefixes.entry((&selector.namespace, &selector.service)).or_default().push(record);
        }
        for commands in endpoints.values_mut() {
            commands.in_force.sort_by_key(|record| std::cmp::Reverse(record.revision));
        }
        Self { endpoints, prefixes }
    }

    /// The rules for an endpoint, alone or under a prefix; `None` if there never was one.
    fn commands<'b>(&'b self, series: &'b Series, pods: &FleetView) -> Option<Cow<'b, Commands<'b>>> {
        let own = self.endpoints.get(&(series.namespace(), series.service(), &series.endpoint)).map(Cow::Borrowed);
        let Some(prefixes) = self.prefixes.get(&(series.namespace(), series.service())) else { return own };
        if series.endpoint.is_other() {
            return own;
        }
        let is_protected = pods.protect(series);
        let covers = |record: &&&RuleRecord| {
            let rule = &record.rule;
            let leaves_out = is_protected && rule.protection == Protection::Respected;
            !leaves_out && rule.covers(series.endpoint.method(), series.endpoint.route())
        };
        let covering: Vec<&RuleRecord> = prefixes.iter().filter(covers).copied().collect();
        if covering.is_empty() {
            return own;
        }
        let mut commands = own.map(Cow::into_owned).unwrap_or_default();
        let (in_force, ended): (Vec<_>, Vec<_>) = covering.into_iter().partition(|record| record.ending.is_none());
        commands.in_force.extend(in_force);
        let ended_at = |record: &&RuleRecord| record.ending.as_ref().map(|ending| ending.revision);
        commands.newest_ended = commands.newest_ended.into_iter().chain(ended).max_by_key(ended_at);
        Some(Cow::Owned(commands))
    }

    /// The states of an endpoint's pods, and the state of its switch.
    pub(super) fn of_endpoint(&self, series: &Series, pods: &FleetView) -> (Arc<[Serving]>, Switch) {
        let commands = self.commands(series, pods);
        let nothing = Commands::default();
        // Nearly all endpoints never had a rule: they share one list per service.
        let shared = commands.is_none().then(|| pods.usual(series)).flatten();
        let commands = commands.as_deref().unwrap_or(&nothing);
        let serving = |pod: &PodView| Serving { pod: pod.workload.pod.clone(), state: commands.obeyed_by(pod) };
        let serving = shared.unwrap_or_else(|| pods.serving(series).map(serving).collect());
        (serving, commands.switch(series, pods))
    }
}

impl Commands<'_> {
    fn obeyed_by(&self, pod: &PodView) -> ServingState {
        if pod.state != PodState::Reporting {
            return ServingState::Lost;
        }
        let for_it = |record: &&RuleRecord| record.rule.selector.selects(&pod.workload);
        let said = |record: &RuleRecord| receipts::state(record, &pod.receipts);
        let in_force: Vec<_> = self.in_force.iter().copied().filter(for_it).map(said).collect();
        let ended = self.newest_ended.filter(for_it).map(said);
        if in_force.iter().any(|said| matches!(said, ReceiptState::Applied { .. })) {
            ServingState::Off
        } else if in_force.contains(&ReceiptState::Pending) || ended == Some(ReceiptState::Pending) {
            ServingState::Waiting
        } else {
            ServingState::Serving
        }
    }

    fn switch(&self, series: &Series, pods: &FleetView) -> Switch {
        let copies = pods.of_service(series.namespace(), series.service());
        if series.endpoint.is_other() {
            return Switch::Unavailable;
        }
        if let Some(record) = self.in_force.first() {
            let status = Arc::new(receipts::status(record, copies));
            if Effect::from_status(&status) != Effect::InForce {
                return Switch::TurningOff(status);
            }
            let connected = pods.of_service(series.namespace(), series.service()).filter(|copy| copy.connected_ms.is_some());
            let (off, of) =
                connected.fold((0, 0), |(off, of), copy| (off + usize::from(self.obeyed_by(copy) == ServingState::Off), of + 1));
            // Pods that are not connected may still serve, but that is unknown: only connected pods
            // count.
            return if off < of { Switch::PartlyOff { status, off, of } } else { Switch::Off(status) };
        }
        if pods.protect(series) {
            return Switch::Protected;
        }
        let Some(record) = self.newest_ended else { return Switch::On };
        let meant = |copy: &&PodView| copy.connected_ms.is_some() && record.rule.selector.selects(&copy.workload);
        let has_let_go = |copy: &PodView| matches!(receipts::state(record, &copy.receipts), ReceiptState::Applied { .. });
        let (of, applied) =
            copies.filter(meant).fold((0, 0), |(of, applied), copy| (of + 1, applied + usize::from(has_let_go(copy))));
        if applied == of { Switch::On } else { Switch::TurningOn { applied, of } }
    }
}

fn name_of(record: &RuleRecord) -> Name<'_> {
    let selector = &record.rule.selector;
    (&selector.namespace, &selector.service, &record.rule.endpoint)
}
