//! Validates a command before anything is changed.

use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::routes::route_patterns::{PINS_MAX, Pattern, Pins};
use mesh::rule::{ANY_METHOD, Action, DISABLE_STATUSES, Protection, REASON_BYTES_MAX, RULES_MAX, Rule, Scope, Selector};
use mesh::workload::NAME_BYTES_MAX;

use crate::counts::fleet::Fleet;
use crate::model::principal::Author;
use crate::model::rule_record::RuleRecord;
use crate::model::rules_state::RulesState;
use crate::rules::command::{Command, CommandError, PODS_MAX, TTL_MAX, TTL_MIN};
use crate::rules::naming::KnownEndpoints;
use crate::rules::warnings;

/// Limit of services that the error for an unknown service lists.
const SERVICES_NAMED_MAX: usize = 12;

/// What a command is checked against.
pub struct CheckContext<'a> {
    /// The rules in force.
    pub state: &'a RulesState,
    /// The pods.
    pub fleet: &'a Fleet,
    /// The endpoints of the command's service.
    pub known: &'a KnownEndpoints,
    /// The current time, milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// The rule that a command asks for, or why it is refused.
pub fn rule(command: &Command, id: String, by: &Author, context: &CheckContext<'_>) -> Result<Rule, CommandError> {
    let rule = shape(command, id, by, context)?;
    check_fleet(&rule, by, context)?;
    if rule.action != Action::Pin {
        context.known.require_match(&rule, command.unseen)?;
    }
    check_others(&rule, context.state)?;
    Ok(rule)
}

/// Checks the form of a command, and builds its rule.
fn shape(command: &Command, id: String, by: &Author, context: &CheckContext<'_>) -> Result<Rule, CommandError> {
    let namespace = command.namespace();
    let too_long = |name: &str| name.len() > NAME_BYTES_MAX;
    if too_long(namespace) || too_long(&command.service) || command.pods.iter().any(|pod| too_long(pod)) {
        return Err(CommandError::TooLong("a name"));
    }
    if command.pods.len() > PODS_MAX {
        return Err(CommandError::TooLong("the list of pods"));
    }
    let reason = command.reason.trim();
    // The wire format refuses control characters, so that no reason can forge a line of a log; a
    // form may send line ends.
    let reason: String = reason.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let needs_reason = command.action != Action::Pin;
    if (needs_reason && reason.is_empty()) || reason.len() > REASON_BYTES_MAX {
        return Err(CommandError::Reason);
    }
    if let Action::Disable { status } = command.action
        && !DISABLE_STATUSES.contains(&status)
    {
        return Err(CommandError::Status(status));
    }
    if let Action::Decorate(action) = &command.action {
        action.check()?;
        command.selection.check_for(action)?;
        if let Some(field) = action.names_file() {
            return Err(CommandError::FileInRule(field));
        }
    }
    command.selection.check()?;
    if command.ttl.is_some_and(|ttl| !(TTL_MIN..=TTL_MAX).contains(&ttl)) {
        return Err(CommandError::Ttl);
    }
    let mut pods = command.pods.clone();
    pods.sort_unstable();
    pods.dedup();
    Ok(Rule {
        id,
        selector: Selector { namespace: namespace.to_owned(), service: command.service.clone(), pods },
        endpoint: match command.action {
            Action::Disable { .. } | Action::Decorate(_) => {
                context.known.endpoint(&command.method, &command.route, command.scope)?
            }
            Action::Pin => Endpoint::named(ANY_METHOD, command.route.parse::<Pattern>()?.as_str())?,
        },
        scope: command.scope,
        action: command.action.clone(),
        selection: command.selection.clone(),
        protection: command.protection,
        expires_ms: command.ttl.map(|ttl| context.now_ms + ttl.as_millis() as u64),
        by: by.name.clone(),
        reason,
    })
}

/// Checks that the pods exist, and that they allow the rule.
fn check_fleet(rule: &Rule, by: &Author, context: &CheckContext<'_>) -> Result<(), CommandError> {
    let (Selector { namespace, service, pods }, fleet) = (&rule.selector, context.fleet);
    // After a restart, a service may be on disk before its first pod is back.
    if !fleet.knows_service(namespace, service) && context.known.counted.is_empty() {
        let name = |(elsewhere, service)| if elsewhere == *namespace { service } else { format!("{elsewhere}/{service}") };
        let seen = fleet.services().into_iter().filter(|(namespace, _)| by.sees.contain(namespace));
        let known: Vec<_> = seen.take(SERVICES_NAMED_MAX).map(name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(CommandError::UnknownService { service: service.clone(), namespace: namespace.clone(), known });
    }
    let copies: Vec<_> = fleet.service_pods(namespace, service).iter().map(|pod| (pod.workload(), pod.protected())).collect();
    if let Some(pod) = pods.iter().find(|pod| !copies.iter().any(|(copy, _)| copy.pod == **pod)) {
        return Err(CommandError::UnknownPod { service: service.clone(), pod: pod.clone() });
    }
    check_pods_present(rule, context)?;
    // A pin turns nothing off, a prefix leaves out what is protected, and an operator may override
    // the protection.
    if rule.action == Action::Pin || rule.scope == Scope::Prefix || rule.protection == Protection::Overridden {
        return Ok(());
    }
    let pins = Pins::new(&context.known.patterns);
    let protects = |path: &String| rule.meets_protected(path, &[&pins]);
    match copies.iter().find(|(copy, protected)| rule.selector.selects(copy) && protected.iter().any(protects)) {
        Some((copy, _)) => Err(CommandError::Protected { route: rule.endpoint.route().to_owned(), pod: copy.pod.clone() }),
        None => Ok(()),
    }
}

/// Checks that each chosen pod is present. Pods that a rollout has replaced do not come back, and a
/// rule for them alone would turn nothing off.
fn check_pods_present(rule: &Rule, context: &CheckContext<'_>) -> Result<(), CommandError> {
    let Selector { namespace, service, pods } = &rule.selector;
    let copies = if pods.is_empty() { Vec::new() } else { context.fleet.service_pods(namespace, service) };
    let is_there =
        |pod: &&String| copies.iter().any(|copy| copy.gone_ms(context.now_ms).is_none() && copy.workload().pod == **pod);
    match pods.iter().find(|pod| !is_there(pod)) {
        Some(pod) => Err(CommandError::GonePod { service: service.clone(), pod: pod.clone() }),
        None => Ok(()),
    }
}

/// Checks that a pattern is new, and that it takes no endpoint away from the rule that has turned
/// it off.
fn check_patterns(pattern: &Pattern, others: &[Arc<RuleRecord>]) -> Result<(), CommandError> {
    let pinned = others.iter().filter_map(|other| Some((other, other.rule.pattern()?)));
    if let Some((other, _)) = pinned.clone().find(|(_, pinned)| pinned.is_like(pattern)) {
        return Err(CommandError::PinnedAlready(other.rule.id.clone()));
    }
    if pinned.count() >= PINS_MAX {
        return Err(CommandError::TooManyPins);
    }
    let pins = Pins::new([pattern]);
    let loses = |rule: &Rule| match rule.prefix() {
        Some(prefix) => pattern.takes_out_of(prefix),
        None => pins.rename(&rule.endpoint).is_some(),
    };
    match others.iter().find(|other| other.rule.action != Action::Pin && loses(&other.rule)) {
        Some(other) => Err(CommandError::WouldTurnOn { rule: other.rule.id.clone(), endpoint: other.rule.subject() }),
        None => Ok(()),
    }
}

/// Checks that the rule is new, and that there is room for it.
fn check_others(rule: &Rule, state: &RulesState) -> Result<(), CommandError> {
    let others = state.of_service(&rule.selector.namespace, &rule.selector.service).records;
    if let Some(pattern) = rule.pattern() {
        check_patterns(&pattern, &others)?;
    }
    let same = |other: &Rule| {
        // A rule for some requests can stand beside one for all, and two canary steps beside each other.
        // A decorator with another configuration can take the place of one without a gap.
        let is_it = match (&other.action, &rule.action) {
            (Action::Decorate(other), Action::Decorate(own)) => other == own,
            _ => other.kind() == rule.kind(),
        };
        let does_the_same = is_it && other.selection == rule.selection;
        does_the_same && other.endpoint == rule.endpoint && other.scope == rule.scope && other.selector.pods == rule.selector.pods
    };
    if let Some(other) = others.iter().find(|other| same(&other.rule)) {
        return Err(CommandError::Duplicate(Box::new(warnings::already(other))));
    }
    if others.len() >= RULES_MAX {
        return Err(CommandError::TooMany(rule.selector.service.clone()));
    }
    Ok(())
}
