//! Warnings for users about rules that are allowed.

use std::sync::Arc;

use mesh::routes::route_patterns::Pins;
use mesh::rule::{Action, Protection, Rule, Selector};

use crate::counts::fleet::Fleet;
use crate::counts::fleet::pod::Pod;
use crate::model::rule_record::RuleRecord;
use crate::model::rules_state::RulesState;
use crate::rules::command::ExistingRule;
use crate::rules::hooks::CountedEndpoints;
use crate::rules::naming::KnownEndpoints;

/// Limit of protected paths in a warning. A pod names up to 32, and Kubernetes has three kinds of
/// probe.
const PATHS_NAMED_MAX: usize = 6;

/// What a rule is examined against.
pub(super) struct WarningContext<'a> {
    /// The pods.
    pub(super) fleet: &'a Fleet,
    /// The endpoints that were counted.
    pub(super) counted: &'a CountedEndpoints,
    /// The rules in force.
    pub(super) state: &'a RulesState,
}

impl WarningContext<'_> {
    /// Warnings for users about a rule.
    pub(super) fn warnings(&self, rule: &Rule) -> Vec<String> {
        let Selector { namespace, service, .. } = &rule.selector;
        let others = self.state.of_service(namespace, service).records;
        of(rule, &self.known(namespace, service), &self.fleet.service_pods(namespace, service), &others)
    }

    /// What would happen if a rule overrode protected paths; `None` if it concerns none.
    pub(super) fn of_override(&self, rule: &Rule) -> Option<String> {
        let Selector { namespace, service, .. } = &rule.selector;
        let rule = Rule { protection: Protection::Overridden, ..rule.clone() };
        overridden(&rule, &self.known(namespace, service), &self.fleet.service_pods(namespace, service))
    }

    /// The note of a rule in the audit log: what it overrides, if anything.
    pub(super) fn note(&self, rule: &Rule) -> String {
        match rule.protection {
            Protection::Overridden => self.of_override(rule).unwrap_or_default(),
            Protection::Respected => String::new(),
        }
    }

    /// The counted endpoints and the pinned patterns of a service.
    pub(super) fn known(&self, namespace: &str, service: &str) -> KnownEndpoints {
        let records = self.state.of_service(namespace, service).records;
        let patterns = records.iter().filter_map(|record| record.rule.pattern()).collect();
        KnownEndpoints { counted: self.counted.get(namespace, service), patterns }
    }
}

/// Each warning is a sentence without its full stop. A rule that does what users expect has none.
fn of(rule: &Rule, known: &KnownEndpoints, pods: &[Arc<Pod>], others: &[Arc<RuleRecord>]) -> Vec<String> {
    if rule.action == Action::Pin {
        return Vec::new();
    }
    let unseen = (!known.match_rule(rule)).then(|| {
        let subject = rule.prefix().map_or_else(|| rule.endpoint.to_string(), |prefix| format!("a route under {prefix}"));
        format!("no request for {subject} was ever counted: the rule matches nothing until one comes")
    });
    let health = match rule.protection {
        Protection::Overridden => overridden(rule, known, pods),
        Protection::Respected => left_on(rule, known, pods),
    };
    let broader = others.iter().filter(|other| is_broader(&other.rule, rule)).map(|other| already(other).to_string());
    unseen.into_iter().chain(health).chain(broader).collect()
}

/// Warns that probes fail if a rule turns protected paths off.
fn overridden(rule: &Rule, known: &KnownEndpoints, pods: &[Arc<Pod>]) -> Option<String> {
    let status = rule.turns_off()?;
    let paths = protected(rule, known, pods)?;
    Some(format!(
        "health paths are turned off: probes of {paths} get {status} while the rule is in force, \
         so Kubernetes takes the pods out of service or restarts them"
    ))
}

/// Lists what a rule for a prefix leaves on.
fn left_on(rule: &Rule, known: &KnownEndpoints, pods: &[Arc<Pod>]) -> Option<String> {
    rule.prefix()?;
    Some(format!("health paths stay on: {}", protected(rule, known, pods)?))
}

/// The protected paths that a rule would turn off, separated by commas.
fn protected(rule: &Rule, known: &KnownEndpoints, pods: &[Arc<Pod>]) -> Option<String> {
    let pins = Pins::new(&known.patterns);
    let meant = pods.iter().filter(|pod| rule.selector.selects(&pod.workload()));
    let mut paths: Vec<String> = meant.flat_map(|pod| pod.protected().to_vec()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.retain(|path| rule.meets_protected(path, &[&pins]));
    let more = paths.len().saturating_sub(PATHS_NAMED_MAX);
    paths.truncate(PATHS_NAMED_MAX);
    match more {
        _ if paths.is_empty() => None,
        0 => Some(paths.join(", ")),
        more => Some(format!("{} and {more} more", paths.join(", "))),
    }
}

/// Whether the other rule turns off everything that this one does.
fn is_broader(other: &Rule, rule: &Rule) -> bool {
    let same = other.endpoint == rule.endpoint && other.scope == rule.scope;
    let covers = same || (rule.prefix().is_none() && other.covers(rule.endpoint.method(), rule.endpoint.route()));
    let pods = &rule.selector.pods;
    let has_pods =
        other.selector.pods.is_empty() || (!pods.is_empty() && pods.iter().all(|pod| other.selector.pods.contains(pod)));
    other.id != rule.id && covers && has_pods && other.turns_off().is_some() && rule.turns_off().is_some()
}

/// A rule in force, as errors and warnings show it.
pub(super) fn already(record: &RuleRecord) -> ExistingRule {
    ExistingRule { rule: record.rule.clone(), created_ms: record.created_ms }
}
