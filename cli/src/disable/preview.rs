//! `sitio disable --dry-run`: shows the pods, endpoints, callers and traffic that a rule would affect.

use std::collections::{BTreeMap, BTreeSet};

use api::callers::Caller;
use api::client::Client;
use api::client::failure::Failure;
use api::endpoints::{Endpoint, EndpointState, EndpointsQuery};
use api::pods::{Pod, PodState};
use api::rules::{Rule, RuleCommand, RuleScope};
use decorators::action::Action;
use format::label::service_label;
use format::number;

use crate::color::ColorMode;
use crate::sanitize::short;

/// The window over which the traffic is counted.
const WINDOW: &str = "1m";

/// The default namespace.
const NAMESPACE: &str = "default";

/// The number of endpoints that are named and whose callers are read: the busiest.
const ENDPOINTS_MAX: usize = 8;

/// The number of callers that are named: the busiest.
const CALLERS_MAX: usize = 5;

/// The effect of a command.
pub(super) struct Preview {
    /// The effect as text, in several lines.
    pub(super) words: String,
    /// Whether the control plane would accept the command.
    pub(super) answer: Expected,
}

/// The control plane's answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// It would create the rule.
    Accepted,
    /// It would refuse the command and change nothing.
    Refused,
}

/// Computes the effect that the command would have now.
pub(super) async fn of(client: &Client, command: &RuleCommand, paint: ColorMode) -> anyhow::Result<Preview> {
    let namespace = command.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
    let window = Some(WINDOW.to_owned());
    let wanted = EndpointsQuery {
        window,
        namespace: Some(namespace.clone()),
        service: Some(command.service.clone()),
        ..EndpointsQuery::default()
    };
    let mut endpoints = client.endpoints(&wanted).await?.endpoints;
    endpoints.retain(|endpoint| is_covered(endpoint, command));
    endpoints.sort_by(|a, b| b.rps.total_cmp(&a.rps).then_with(|| a.route.cmp(&b.route)));
    let rules = client.rules().await?.rules;
    let pods = client.pods().await?.pods;
    let copies: Vec<_> = pods
        .iter()
        .filter(|pod| pod.namespace == namespace && pod.service == command.service && pod.state != PodState::Gone)
        .filter(|pod| command.pod_names().is_empty() || command.pod_names().contains(&pod.pod))
        .collect();
    let is_it = |rule: &&Rule| {
        rule.namespace == namespace
            && rule.service == command.service
            && rule.scope == command.scope
            && rule.method == command.method
            && rule.route == command.route
    };
    let mut lines = vec![format!(
        "Nothing was changed. It would turn {} of {} off:",
        short(&command.scope.subject(&command.method, &command.route)),
        short(&service_label(&namespace, &command.service))
    )];
    lines.push(format!("  pods     {}", names(&copies, command)));
    if command.scope == RuleScope::Prefix {
        lines.push(format!("  covers   {}", covered(&endpoints)));
    }
    lines.push(format!("  traffic  {}", traffic(&endpoints)));
    lines.push(format!("  from     {}", callers(client, &endpoints).await?));
    lines.push(format!(
        "  callers  get {}{}",
        status(command),
        command.ttl.as_ref().map_or_else(|| " until it is turned on".to_owned(), |ttl| format!(" for {ttl}"),)
    ));
    let known: Vec<_> = pods.iter().filter(|pod| pod.namespace == namespace && pod.service == command.service).collect();
    // A rule for exactly these pods takes precedence over one for other pods.
    let same = rules.iter().filter(is_it).find(|rule| concerns_the_same(rule, &copies, command));
    let refusal = refused(client, command, refusal(&endpoints, same, &known, command)).await?;
    let answer = if refusal.is_some() { Expected::Refused } else { Expected::Accepted };
    let trouble = refusal.map(|why| format!("it would be refused: {why}"));
    let trouble = trouble.or_else(|| warning(&endpoints, rules.iter().find(is_it), &copies, command));
    lines.extend(trouble.map(|trouble| format!("  {} {trouble}", paint.bad("but"))));
    Ok(Preview { words: format!("{}\n", lines.join("\n")), answer })
}

/// Asks the control plane why it would refuse the command, if it would. An older one has no dry run; then the expectation
/// computed here applies.
async fn refused(client: &Client, command: &RuleCommand, expected: Option<String>) -> anyhow::Result<Option<String>> {
    match client.create_rule(&RuleCommand { dry_run: true, ..command.clone() }).await {
        Ok(_) => Ok(None),
        Err(Failure::Refused { problem, .. }) if problem.detail.contains("dry_run") => Ok(expected),
        Err(Failure::Refused { problem, .. }) => Ok(expected.or(Some(problem.detail))),
        Err(failure) => Err(failure.into()),
    }
}

/// Whether a rule applies to exactly the pods of a command.
fn concerns_the_same(rule: &Rule, copies: &[&Pod], command: &RuleCommand) -> bool {
    let of_rule: BTreeSet<_> = rule.pods.iter().map(|receipt| &*receipt.pod).collect();
    let of_command: BTreeSet<_> = if command.pod_names().is_empty() {
        copies.iter().map(|pod| &*pod.pod).collect()
    } else {
        command.pod_names().iter().map(|pod| &**pod).collect()
    };
    of_command.is_subset(&of_rule) && (command.pod_names().is_empty() || of_rule == of_command)
}

/// Whether a command covers an endpoint, by the same test as the control plane's: a prefix is the beginning of a route.
fn is_covered(endpoint: &Endpoint, command: &RuleCommand) -> bool {
    match command.scope {
        RuleScope::Prefix => {
            let prefix = command.route.strip_suffix('*').unwrap_or(&command.route);
            let is_method = command.method == "*" || endpoint.method == command.method;
            is_method && (prefix == "/" || endpoint.route.starts_with(prefix))
        }
        _ => endpoint.method == command.method && endpoint.route == command.route,
    }
}

fn covered(endpoints: &[Endpoint]) -> String {
    let name = |endpoint: &Endpoint| format!("{} {}", short(&endpoint.method), short(&endpoint.route));
    let mut names: Vec<_> = endpoints.iter().take(ENDPOINTS_MAX).map(name).collect();
    if endpoints.len() > ENDPOINTS_MAX {
        names.push(format!("{} more", endpoints.len() - ENDPOINTS_MAX));
    }
    let names = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
    format!("{}: {names}, and those that are called later", number::plural(endpoints.len(), "endpoint", "endpoints"))
}

/// The callers of the busiest endpoints, by number of requests.
async fn callers(client: &Client, endpoints: &[Endpoint]) -> anyhow::Result<String> {
    let mut hits: BTreeMap<String, u64> = BTreeMap::new();
    for endpoint in endpoints.iter().take(ENDPOINTS_MAX) {
        for caller in client.callers(&endpoint.id).await?.callers {
            *hits.entry(who(&caller)).or_default() += caller.hits;
        }
    }
    let mut callers: Vec<_> = hits.into_iter().collect();
    callers.sort_by(|(a_name, a), (b_name, b)| b.cmp(a).then_with(|| a_name.cmp(b_name)));
    let mut names: Vec<_> =
        callers.iter().take(CALLERS_MAX).map(|(name, hits)| format!("{name} ({})", number::count(*hits))).collect();
    if callers.len() > CALLERS_MAX {
        names.push(format!("{} more", callers.len() - CALLERS_MAX));
    }
    Ok(if names.is_empty() { "no caller that is known".to_owned() } else { names.join(", ") })
}

fn who(caller: &Caller) -> String {
    let service = caller
        .service
        .as_deref()
        .map(|service| short(&service_label(caller.namespace.as_deref().unwrap_or(NAMESPACE), service)).into_owned());
    service.or_else(|| caller.address.clone()).unwrap_or_else(|| "others".to_owned())
}

fn names(copies: &[&Pod], command: &RuleCommand) -> String {
    let names: Vec<_> = copies.iter().map(|pod| short(&pod.pod)).collect();
    let later = if command.pod_names().is_empty() { ", and those that join later" } else { "" };
    format!("{}: {}{later}", copies.len(), if names.is_empty() { "none".to_owned() } else { names.join(", ") })
}

fn traffic(endpoints: &[Endpoint]) -> String {
    if endpoints.is_empty() {
        return "none was ever counted under that name".to_owned();
    }
    let (rps, hits) = endpoints.iter().fold((0.0, 0), |(rps, hits), endpoint| (rps + endpoint.rps, hits + endpoint.hits));
    let last_seen = endpoints.iter().filter_map(|endpoint| endpoint.last_seen.as_deref()).max();
    format!(
        "{} requests/s, {} in the last minute, last seen {}",
        number::rate(rps),
        number::count(hits),
        last_seen.map_or_else(|| number::MISSING.to_owned(), crate::moment::date_and_time),
    )
}

fn status(command: &RuleCommand) -> u16 {
    match &command.action {
        Action::Disable(disable) => disable.status,
        _ => 0,
    }
}

/// Why the control plane is expected to refuse the command.
fn refusal(endpoints: &[Endpoint], same: Option<&Rule>, known: &[&Pod], command: &RuleCommand) -> Option<String> {
    let unknown: Vec<_> =
        command.pod_names().iter().filter(|name| !known.iter().any(|pod| pod.pod == **name)).map(|name| short(name)).collect();
    let is_unseen = endpoints.iter().all(|endpoint| endpoint.last_seen.is_none()) && command.route != "/*";
    if known.is_empty() {
        Some(format!("no pod of {} has reported; `sitio pods` lists those there are", short(&command.service)))
    } else if !unknown.is_empty() {
        Some(format!("{} has no pod {}; `sitio pods` lists those there are", short(&command.service), unknown.join(", ")))
    } else if is_protected(endpoints) && command.scope != RuleScope::Prefix && !command.override_protected {
        Some("that is a health path; --override-protected turns it off all the same".to_owned())
    } else if let Some(rule) = same {
        Some(already(rule))
    } else if is_unseen && !command.allow_unseen {
        Some("no request for it was ever counted; --allow-unseen turns it off all the same".to_owned())
    } else {
        None
    }
}

fn is_protected(endpoints: &[Endpoint]) -> bool {
    endpoints.iter().any(|endpoint| endpoint.state == EndpointState::Protected)
}

/// Why an accepted command might not have the intended effect.
fn warning(endpoints: &[Endpoint], rule: Option<&Rule>, copies: &[&Pod], command: &RuleCommand) -> Option<String> {
    let silent: Vec<_> = copies.iter().filter(|pod| pod.state == PodState::Silent).map(|pod| short(&pod.pod)).collect();
    if let Some(rule) = rule {
        Some(already(rule))
    } else if is_protected(endpoints) && command.override_protected {
        Some("probes of health paths would fail, and Kubernetes takes the pods out of service or restarts them".to_owned())
    } else if is_protected(endpoints) {
        Some("health paths stay on; --override-protected turns them off, too".to_owned())
    } else if copies.is_empty() {
        Some("there is no such pod now".to_owned())
    } else if !silent.is_empty() {
        Some(format!("{} is silent, and would get the rule when it is back", silent.join(", ")))
    } else {
        None
    }
}

/// Describes the rule that has turned the endpoint off already: author, time, reason and end.
fn already(rule: &Rule) -> String {
    let until = rule.expires_at.as_deref().map_or_else(|| "it is withdrawn".to_owned(), crate::moment::date_and_time);
    format!(
        "rule {} is in force for it already, by {} since {} until {until}: {}",
        rule.id,
        short(&rule.by),
        crate::moment::date_and_time(&rule.created_at),
        short(&rule.reason),
    )
}
