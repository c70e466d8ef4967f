//! Decides whether a command makes sense, before anything is changed.

use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::routes;
use mesh::routes::pins::{PINS_MAX, Pattern, Pins};
use mesh::rule::{ANY_METHOD, Action, DISABLE_STATUSES, Protection, REASON_BYTES_MAX, RULES_MAX, Rule, Scope, Selector};
use mesh::workload::NAME_BYTES_MAX;

use crate::fleet::Fleet;
use crate::rules::command::{Command, CommandError, NAMESPACE, PODS_MAX, TTL_MAX, TTL_MIN};
use crate::rules::state::RulesState;
use crate::store::Record;

/// Services that an answer names to whoever asked for one that is not there.
const SERVICES_NAMED_MAX: usize = 12;

/// The rule that a command asks for, or why there can be none.
pub fn rule(
    command: &Command,
    id: String,
    by: &str,
    state: &RulesState,
    fleet: &Fleet,
    now_ms: u64,
) -> Result<Rule, CommandError> {
    let namespace = command.namespace.as_deref().unwrap_or(NAMESPACE);
    let pins = state.of_service(namespace, &command.service).pins;
    let rule = shape(command, id, by, &pins, now_ms)?;
    fits_fleet(&rule, &pins, fleet)?;
    fits_others(&rule, state)?;
    Ok(rule)
}

/// What can be said of a command without knowing anything else.
fn shape(command: &Command, id: String, by: &str, pins: &Pins, now_ms: u64) -> Result<Rule, CommandError> {
    let namespace = command.namespace.as_deref().unwrap_or(NAMESPACE);
    let too_long = |name: &str| name.len() > NAME_BYTES_MAX;
    if too_long(namespace) || too_long(&command.service) || command.pods.iter().any(|pod| too_long(pod)) {
        return Err(CommandError::TooLong("a name"));
    }
    if command.pods.len() > PODS_MAX {
        return Err(CommandError::TooLong("the list of pods"));
    }
    let reason = command.reason.trim();
    // The wire takes no control characters, so that no reason can forge a line of a log; a form may send line ends.
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
            Action::Disable { .. } => endpoint(&command.method, &command.route, pins)?,
            Action::Pin => Endpoint::named(ANY_METHOD, command.route.parse::<Pattern>()?.as_str())?,
        },
        scope: Scope::default(),
        action: command.action.clone(),
        protection: Protection::default(),
        expires_ms: command.ttl.map(|ttl| now_ms + ttl.as_millis() as u64),
        by: by.to_owned(),
        reason,
    })
}

/// The endpoint of that name, if requests are counted under it.
fn endpoint(method: &str, route: &str, pins: &Pins) -> Result<Endpoint, CommandError> {
    let endpoint = Endpoint::named(method, route)?;
    if endpoint.is_other() {
        return Err(CommandError::SharedEndpoint);
    }
    let mut counted = String::new();
    routes::write_pinned_route(route, &[pins], &mut counted);
    if counted != route {
        return Err(CommandError::CountedElsewhere { asked: route.to_owned(), counted });
    }
    Ok(endpoint)
}

/// Whether the pods are there, and allow it.
fn fits_fleet(rule: &Rule, pins: &Pins, fleet: &Fleet) -> Result<(), CommandError> {
    let Selector { namespace, service, pods } = &rule.selector;
    if !fleet.knows(namespace, service) {
        let name = |(elsewhere, service)| if elsewhere == *namespace { service } else { format!("{elsewhere}/{service}") };
        let known: Vec<_> = fleet.services().into_iter().take(SERVICES_NAMED_MAX).map(name).collect();
        let known = if known.is_empty() { "none so far".to_owned() } else { known.join(", ") };
        return Err(CommandError::UnknownService { service: service.clone(), namespace: namespace.clone(), known });
    }
    let copies: Vec<_> = fleet.copies_of(namespace, service).iter().map(|pod| (pod.workload(), pod.protected())).collect();
    if let Some(pod) = pods.iter().find(|pod| !copies.iter().any(|(copy, _)| copy.pod == **pod)) {
        return Err(CommandError::UnknownPod { service: service.clone(), pod: pod.clone() });
    }
    let route = rule.endpoint.route();
    let protects = |path: &String| path == route || pins.find(path) == Some(route);
    match copies.iter().find(|(_, protected)| protected.iter().any(protects)) {
        // A pin turns nothing off, and only what is counted under it can be.
        Some(_) if rule.action == Action::Pin => Ok(()),
        Some((copy, _)) => Err(CommandError::Protected { route: route.to_owned(), pod: copy.pod.clone() }),
        None => Ok(()),
    }
}

/// Whether a pattern says something new, and takes no endpoint that is off out of its rule's reach.
fn fits_patterns(pattern: &Pattern, others: &[Arc<Record>]) -> Result<(), CommandError> {
    let pinned = others.iter().filter_map(|other| Some((other, other.rule.pattern()?)));
    if let Some((other, _)) = pinned.clone().find(|(_, pinned)| pinned.is_like(pattern)) {
        return Err(CommandError::PinnedAlready(other.rule.id.clone()));
    }
    if pinned.count() >= PINS_MAX {
        return Err(CommandError::TooManyPins);
    }
    let pins = Pins::new([pattern]);
    let is_off = |other: &&Arc<Record>| other.rule.action != Action::Pin && pins.rename(&other.rule.endpoint).is_some();
    match others.iter().find(is_off) {
        Some(other) => Err(CommandError::WouldTurnOn { rule: other.rule.id.clone(), endpoint: other.rule.endpoint.to_string() }),
        None => Ok(()),
    }
}

/// Whether it says something new, and there is room for it.
fn fits_others(rule: &Rule, state: &RulesState) -> Result<(), CommandError> {
    let others = state.of_service(&rule.selector.namespace, &rule.selector.service).records;
    if let Some(pattern) = rule.pattern() {
        fits_patterns(&pattern, &others)?;
    }
    let same = |other: &Rule| other.endpoint == rule.endpoint && other.selector.pods == rule.selector.pods;
    if let Some(other) = others.iter().find(|other| same(&other.rule)) {
        return Err(CommandError::Duplicate(other.rule.id.clone()));
    }
    if others.len() >= RULES_MAX {
        return Err(CommandError::TooMany(rule.selector.service.clone()));
    }
    Ok(())
}
