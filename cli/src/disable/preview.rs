//! What turning an endpoint off would mean now: on which pods, and for how much traffic.

use client::client::Client;
use client::endpoints::{Endpoint, Wanted};
use client::pods::{Pod, State};
use client::rules::{Action, Order, Rule};
use control_plane::web::format;
use control_plane::web::row::service_label;

use crate::paint::Paint;
use crate::text::short;

/// What the traffic is counted over.
const WINDOW: &str = "1m";

/// The namespace that is meant if none is named.
const NAMESPACE: &str = "default";

/// In words, a line each.
pub(super) async fn of(client: &Client, order: &Order, paint: Paint) -> anyhow::Result<String> {
    let namespace = order.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
    let window = Some(WINDOW.to_owned());
    let wanted = Wanted { window, namespace: Some(namespace.clone()), service: Some(order.service.clone()) };
    let endpoints = client.endpoints(&wanted).await?.endpoints;
    let rules = client.rules().await?.rules;
    let pods = client.pods().await?.pods;
    let copies: Vec<_> = pods
        .iter()
        .filter(|pod| pod.namespace == namespace && pod.service == order.service && pod.state != State::Gone)
        .filter(|pod| order.pods.is_empty() || order.pods.contains(&pod.pod))
        .collect();
    let endpoint = endpoints.iter().find(|endpoint| endpoint.method == order.method && endpoint.route == order.route);
    let is_it = |rule: &&Rule| {
        rule.namespace == namespace && rule.service == order.service && rule.method == order.method && rule.route == order.route
    };
    let mut lines = vec![format!(
        "Nothing was changed. It would turn {} {} of {} off:",
        short(&order.method),
        short(&order.route),
        short(&service_label(&namespace, &order.service))
    )];
    lines.push(format!("  pods     {}", names(&copies, order)));
    lines.push(format!("  traffic  {}", traffic(endpoint)));
    lines.push(format!(
        "  callers  get {}{}",
        status(order),
        order.ttl.as_ref().map_or_else(|| " until somebody turns it on".to_owned(), |ttl| format!(" for {ttl}"),)
    ));
    let trouble = trouble(endpoint, rules.iter().find(is_it), &copies, order);
    lines.extend(trouble.map(|trouble| format!("  {} {trouble}", paint.bad("but"))));
    Ok(format!("{}\n", lines.join("\n")))
}

fn names(copies: &[&Pod], order: &Order) -> String {
    let names: Vec<_> = copies.iter().map(|pod| short(&pod.pod)).collect();
    let later = if order.pods.is_empty() { ", and those that join later" } else { "" };
    format!("{}: {}{later}", copies.len(), if names.is_empty() { "none".to_owned() } else { names.join(", ") })
}

fn traffic(endpoint: Option<&Endpoint>) -> String {
    let Some(endpoint) = endpoint else { return "none was ever counted under that name".to_owned() };
    format!(
        "{} requests/s, {} in the last minute, last seen {}",
        format::rate(endpoint.rps),
        format::count(endpoint.hits),
        endpoint.last_seen.as_deref().map_or_else(|| format::MISSING.to_owned(), crate::moment::date_and_time),
    )
}

fn status(order: &Order) -> u16 {
    match order.action {
        Action::Disable(disable) => disable.status,
        Action::Pin {} => 0,
    }
}

/// Why it would be refused, or not do what one hopes.
fn trouble(endpoint: Option<&Endpoint>, rule: Option<&Rule>, copies: &[&Pod], order: &Order) -> Option<String> {
    let silent: Vec<_> = copies.iter().filter(|pod| pod.state == State::Silent).map(|pod| short(&pod.pod)).collect();
    let unknown: Vec<_> = order.pods.iter().filter(|name| !copies.iter().any(|pod| pod.pod == **name)).cloned().collect();
    if endpoint.is_some_and(|endpoint| endpoint.state == client::endpoints::State::Protected) {
        Some("it would be refused: that is a health path, which no rule may turn off".to_owned())
    } else if let Some(rule) = rule {
        Some(format!("rule {} is in force for it already; one for the same pods would be refused", rule.id))
    } else if !unknown.is_empty() {
        Some(format!("it would be refused: {} has no pod {}", order.service, unknown.join(", ")))
    } else if copies.is_empty() {
        Some("there is no such pod now".to_owned())
    } else if !silent.is_empty() {
        Some(format!("{} is silent, and would hear of it when it is back", silent.join(", ")))
    } else {
        None
    }
}
