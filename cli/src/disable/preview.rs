//! `sitio disable --dry-run`: shows the pods, endpoints, callers and traffic that a rule would affect.

use std::collections::{BTreeMap, BTreeSet};

use client::callers::Caller;
use client::client::Client;
use client::endpoints::{Endpoint, State as EndpointState, Wanted};
use client::failure::Failure;
use client::pods::{Pod, State};
use client::rules::{Action, Order, Rule, Scope};
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

/// The effect of an order.
pub(super) struct Preview {
    /// The effect as text, in several lines.
    pub(super) words: String,
    /// Whether the control plane would accept the order.
    pub(super) answer: Expected,
}

/// The control plane's answer to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// It would create the rule.
    Accepted,
    /// It would refuse the order and change nothing.
    Refused,
}

/// Computes the effect that the order would have now.
pub(super) async fn of(client: &Client, order: &Order, paint: ColorMode) -> anyhow::Result<Preview> {
    let namespace = order.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
    let window = Some(WINDOW.to_owned());
    let wanted = Wanted { window, namespace: Some(namespace.clone()), service: Some(order.service.clone()), ..Wanted::default() };
    let mut endpoints = client.endpoints(&wanted).await?.endpoints;
    endpoints.retain(|endpoint| is_covered(endpoint, order));
    endpoints.sort_by(|a, b| b.rps.total_cmp(&a.rps).then_with(|| a.route.cmp(&b.route)));
    let rules = client.rules().await?.rules;
    let pods = client.pods().await?.pods;
    let copies: Vec<_> = pods
        .iter()
        .filter(|pod| pod.namespace == namespace && pod.service == order.service && pod.state != State::Gone)
        .filter(|pod| order.pods.is_empty() || order.pods.contains(&pod.pod))
        .collect();
    let is_it = |rule: &&Rule| {
        rule.namespace == namespace
            && rule.service == order.service
            && rule.scope == order.scope
            && rule.method == order.method
            && rule.route == order.route
    };
    let mut lines = vec![format!(
        "Nothing was changed. It would turn {} of {} off:",
        short(&order.scope.subject(&order.method, &order.route)),
        short(&service_label(&namespace, &order.service))
    )];
    lines.push(format!("  pods     {}", names(&copies, order)));
    if order.scope == Scope::Prefix {
        lines.push(format!("  covers   {}", covered(&endpoints)));
    }
    lines.push(format!("  traffic  {}", traffic(&endpoints)));
    lines.push(format!("  from     {}", callers(client, &endpoints).await?));
    lines.push(format!(
        "  callers  get {}{}",
        status(order),
        order.ttl.as_ref().map_or_else(|| " until it is turned on".to_owned(), |ttl| format!(" for {ttl}"),)
    ));
    let known: Vec<_> = pods.iter().filter(|pod| pod.namespace == namespace && pod.service == order.service).collect();
    // A rule for exactly these pods takes precedence over one for other pods.
    let same = rules.iter().filter(is_it).find(|rule| concerns_the_same(rule, &copies, order));
    let refusal = refused(client, order, refusal(&endpoints, same, &known, order)).await?;
    let answer = if refusal.is_some() { Expected::Refused } else { Expected::Accepted };
    let trouble = refusal.map(|why| format!("it would be refused: {why}"));
    let trouble = trouble.or_else(|| warning(&endpoints, rules.iter().find(is_it), &copies, order));
    lines.extend(trouble.map(|trouble| format!("  {} {trouble}", paint.bad("but"))));
    Ok(Preview { words: format!("{}\n", lines.join("\n")), answer })
}

/// Asks the control plane why it would refuse the order, if it would. An older one has no dry run; then the expectation
/// computed here applies.
async fn refused(client: &Client, order: &Order, expected: Option<String>) -> anyhow::Result<Option<String>> {
    match client.preview(order).await {
        Ok(_) => Ok(None),
        Err(Failure::Refused { problem, .. }) if problem.detail.contains("dry_run") => Ok(expected),
        Err(Failure::Refused { problem, .. }) => Ok(expected.or(Some(problem.detail))),
        Err(failure) => Err(failure.into()),
    }
}

/// Whether a rule applies to exactly the pods of an order.
fn concerns_the_same(rule: &Rule, copies: &[&Pod], order: &Order) -> bool {
    let of_rule: BTreeSet<_> = rule.pods.iter().map(|receipt| &*receipt.pod).collect();
    let of_order: BTreeSet<_> = if order.pods.is_empty() {
        copies.iter().map(|pod| &*pod.pod).collect()
    } else {
        order.pods.iter().map(|pod| &**pod).collect()
    };
    of_order.is_subset(&of_rule) && (order.pods.is_empty() || of_rule == of_order)
}

/// Whether an order covers an endpoint, by the same test as the control plane's: a prefix is the beginning of a route.
fn is_covered(endpoint: &Endpoint, order: &Order) -> bool {
    match order.scope {
        Scope::Prefix => {
            let prefix = order.route.strip_suffix('*').unwrap_or(&order.route);
            let is_method = order.method == "*" || endpoint.method == order.method;
            is_method && (prefix == "/" || endpoint.route.starts_with(prefix))
        }
        _ => endpoint.method == order.method && endpoint.route == order.route,
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

fn names(copies: &[&Pod], order: &Order) -> String {
    let names: Vec<_> = copies.iter().map(|pod| short(&pod.pod)).collect();
    let later = if order.pods.is_empty() { ", and those that join later" } else { "" };
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

fn status(order: &Order) -> u16 {
    match order.action {
        Action::Disable(disable) => disable.status,
        Action::Pin {} => 0,
    }
}

/// Why the control plane is expected to refuse the order.
fn refusal(endpoints: &[Endpoint], same: Option<&Rule>, known: &[&Pod], order: &Order) -> Option<String> {
    let unknown: Vec<_> =
        order.pods.iter().filter(|name| !known.iter().any(|pod| pod.pod == **name)).map(|name| short(name)).collect();
    let is_unseen = endpoints.iter().all(|endpoint| endpoint.last_seen.is_none()) && order.route != "/*";
    if known.is_empty() {
        Some(format!("no pod of {} has reported; `sitio pods` lists those there are", short(&order.service)))
    } else if !unknown.is_empty() {
        Some(format!("{} has no pod {}; `sitio pods` lists those there are", short(&order.service), unknown.join(", ")))
    } else if is_protected(endpoints) && order.scope != Scope::Prefix && !order.override_protected {
        Some("that is a health path; --override-protected turns it off all the same".to_owned())
    } else if let Some(rule) = same {
        Some(already(rule))
    } else if is_unseen && !order.allow_unseen {
        Some("no request for it was ever counted; --allow-unseen turns it off all the same".to_owned())
    } else {
        None
    }
}

fn is_protected(endpoints: &[Endpoint]) -> bool {
    endpoints.iter().any(|endpoint| endpoint.state == EndpointState::Protected)
}

/// Why an accepted order might not have the intended effect.
fn warning(endpoints: &[Endpoint], rule: Option<&Rule>, copies: &[&Pod], order: &Order) -> Option<String> {
    let silent: Vec<_> = copies.iter().filter(|pod| pod.state == State::Silent).map(|pod| short(&pod.pod)).collect();
    if let Some(rule) = rule {
        Some(already(rule))
    } else if is_protected(endpoints) && order.override_protected {
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
