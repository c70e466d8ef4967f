//! The page of decorators: those in force with what they have done, and a form that adds one.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Path, Query};
use axum::http::StatusCode;
use axum::response::Redirect;
use decorators::action;
use decorators::selection::{Mode, Selection};
use mesh::rule::{Action, Protection, Rule, Scope, prefix_of};
use mesh::rule_totals::{Circuits, RuleTotals};
use serde::Deserialize;

use crate::clock::now_ms;
use crate::dashboard::page::{HtmlPage, PageError, PageReader, Shell};
use crate::dashboard::root::Root;
use crate::dashboard::state::DashboardState;
use crate::dashboard::switch::{ReceiptCounts, time_left};
use crate::dashboard::zone::Zone;
use crate::rules::command::{Command, Unseen};
use format::label::service_label;
use format::number;
use format::split::findings;

/// What the form is filled with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DecoratorQuery {
    /// The decorator whose example is shown.
    decorator: String,
    /// A service as `namespace/service`.
    service: String,
    method: String,
    route: String,
}

/// The form that adds a decorator.
#[derive(Debug, Deserialize)]
pub struct DecoratorForm {
    /// A service as `namespace/service`.
    service: String,
    method: String,
    route: String,
    /// The action in YAML.
    action: String,
    percent: u8,
    /// Networks, separated by commas.
    callers: String,
    mode: Mode,
    ttl: String,
    reason: String,
}

/// The template of the page.
#[derive(Template)]
#[template(path = "decorators.html")]
pub struct DecoratorsPage {
    shell: Shell,
    rules: Vec<DecoratorCells>,
    names: &'static [&'static str],
    chosen: String,
    example: String,
    services: Vec<String>,
    query: DecoratorQuery,
}

/// A rule with a decorator, or for some requests only.
#[derive(Debug)]
struct DecoratorCells {
    rule: String,
    name: &'static str,
    subject: String,
    service: String,
    config: String,
    selected: String,
    acted: String,
    /// Whether it only counts: then `acted` is what it would have done.
    is_shadow: bool,
    failed: String,
    /// The circuits of a circuit breaker; empty for others.
    circuits: String,
    /// Whether a circuit is not closed.
    is_open: bool,
    /// The verdicts of a split.
    verdicts: Vec<String>,
    applied: String,
    left: String,
    by: String,
    at: String,
    reason: String,
}

/// `GET /decorators`
pub async fn list(Query(query): Query<DecoratorQuery>, zone: Zone, state: DashboardState) -> HtmlPage<DecoratorsPage> {
    let snapshot = state.snapshot();
    let is_listed = |rule: &Rule| rule.action != Action::Pin && rule.turns_off().is_none();
    let records = state.reader.rules_in_force();
    let rules = records.iter().filter(|record| is_listed(&record.rule));
    let rules = rules.filter_map(|record| DecoratorCells::of(&state, &record.rule.id, &zone)).collect();
    let mut services: Vec<String> = snapshot.endpoints.iter().map(|row| format!("{}/{}", row.namespace, row.service)).collect();
    services.sort_unstable();
    services.dedup();
    let position_of = |wanted: &str| action::NAMES.iter().position(|name| *name == wanted);
    let position = position_of(&query.decorator).or_else(|| position_of("error-page")).unwrap_or_default();
    HtmlPage(DecoratorsPage {
        shell: Shell::of("decorators", "Decorators", &snapshot, PageReader::from(&*state.reader.principal)),
        rules,
        names: action::NAMES,
        chosen: action::NAMES[position].to_owned(),
        example: action::EXAMPLES[position].to_owned(),
        services,
        query,
    })
}

/// `POST /decorators`
pub async fn create(state: DashboardState, Form(form): Form<DecoratorForm>) -> Result<Redirect, Box<PageError>> {
    let command = command(&form).map_err(|why| PageError::refused(StatusCode::UNPROCESSABLE_ENTITY, why))?;
    match state.reader.create_rule(command).await {
        Ok(_) => Ok(Redirect::to("decorators")),
        Err(error) => Err(PageError::command("The decorator was not added", &error)),
    }
}

/// `POST /decorators/{id}/end`
pub async fn end(Path(id): Path<String>, state: DashboardState) -> Result<Redirect, Box<PageError>> {
    match state.reader.withdraw_rule(&id).await {
        Ok(_) => Ok(Redirect::to(&format!("{}decorators", Root::TWO_ABOVE))),
        Err(error) => Err(PageError::command("The decorator was not removed", &error)),
    }
}

fn command(form: &DecoratorForm) -> Result<Command, String> {
    let (namespace, service) = form.service.split_once('/').ok_or("Choose a service.")?;
    let action: action::Action = serde_norway::from_str(&form.action).map_err(|why| format!("The decorator: {why}."))?;
    let networks = form.callers.split(',').map(str::trim).filter(|network| !network.is_empty());
    let callers: Result<_, String> =
        networks.map(|network| network.parse().map_err(|_| format!("“{network}” is no network such as 10.0.0.0/8."))).collect();
    let ttl = match form.ttl.trim() {
        "" => None,
        ttl => Some(humantime::parse_duration(ttl).map_err(|error| format!("“{ttl}” is not a duration: {error}."))?),
    };
    let selection = Selection { percent: form.percent, callers: callers?, mode: form.mode };
    if matches!(action, action::Action::Disable(_)) && selection.is_unconditional() {
        return Err("To turn an endpoint off for all requests, use its switch. Here, disable needs a percentage, callers or the shadow mode.".into());
    }
    let route = form.route.trim();
    Ok(Command {
        namespace: Some(namespace.to_owned()),
        service: service.to_owned(),
        method: form.method.trim().to_owned(),
        route: route.to_owned(),
        scope: if prefix_of(route).is_some() { Scope::Prefix } else { Scope::Endpoint },
        unseen: Unseen::Refused,
        protection: Protection::Respected,
        action: match action {
            action::Action::Disable(disable) => Action::Disable { status: disable.status },
            action => Action::Decorate(Arc::new(action)),
        },
        selection,
        pods: Vec::new(),
        ttl,
        reason: form.reason.clone(),
    })
}

impl DecoratorCells {
    fn of(state: &DashboardState, rule: &str, zone: &Zone) -> Option<Self> {
        let status = state.reader.rule(rule)?;
        let RuleTotals { acted, shadowed, failed, circuits, sides, .. } = state.reader.rule_totals(&status.rule);
        let rule = &status.rule;
        let is_shadow = rule.selection.mode == Mode::Shadow;
        Some(Self {
            rule: rule.id.clone(),
            name: rule.kind(),
            subject: rule.subject(),
            service: service_label(&rule.selector.namespace, &rule.selector.service),
            config: match &rule.action {
                Action::Decorate(action) => config(action),
                Action::Disable { status } => format!("status: {status}\n"),
                Action::Pin => String::new(),
            },
            selected: selected(&rule.selection),
            acted: number::count(if is_shadow { shadowed } else { acted }),
            is_shadow,
            failed: if failed == 0 { String::new() } else { format!("failed {} times", number::count(failed)) },
            circuits: circuit_words(circuits),
            is_open: circuits.closed < circuits.pods(),
            verdicts: sides.map(|sides| findings(&sides.comparison()).into()).unwrap_or_default(),
            applied: ReceiptCounts::of(&status).words(),
            left: time_left(&status, now_ms()),
            by: rule.by.clone(),
            at: zone.moment(status.created_ms),
            reason: rule.reason.clone(),
        })
    }
}

/// `closed on 2 pods, open on 1 pod`.
fn circuit_words(circuits: Circuits) -> String {
    let Circuits { closed, half_open, open } = circuits;
    let states = [(closed, "closed"), (half_open, "half-open"), (open, "open")].into_iter().filter(|(pods, _)| *pods > 0);
    let words = states.map(|(pods, state)| format!("{state} on {}", number::plural(pods as usize, "pod", "pods")));
    words.collect::<Vec<_>>().join(", ")
}

/// The configuration in YAML, without the decorator's name.
fn config(action: &action::Action) -> String {
    let value = serde_json::from_str::<serde_json::Value>(&action.to_json()).unwrap_or_default();
    let inner = value.as_object().and_then(|fields| fields.values().next()).cloned().unwrap_or_default();
    serde_norway::to_string(&inner).unwrap_or_default()
}

fn selected(selection: &Selection) -> String {
    let share = if selection.percent < 100 { format!("{} % of requests", selection.percent) } else { "all requests".to_owned() };
    match selection.callers.as_slice() {
        [] => share,
        callers => format!("{share} from {}", callers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(action: &str) -> DecoratorForm {
        DecoratorForm {
            service: "default/web".into(),
            method: "GET".into(),
            route: " /orders/{id} ".into(),
            action: action.into(),
            percent: 10,
            callers: "10.0.0.0/8, fd00::/8".into(),
            mode: Mode::Shadow,
            ttl: "1h".into(),
            reason: "try it".into(),
        }
    }

    #[test]
    fn a_form_becomes_a_command_for_some_requests() {
        let command = command(&form("rate-limit: {requests: 10, per: 1s}")).unwrap();
        assert_eq!((command.service.as_str(), command.route.as_str()), ("web", "/orders/{id}"));
        assert_eq!(selected(&command.selection), "10 % of requests from 10.0.0.0/8, fd00::/8");
        let Action::Decorate(action) = &command.action else { panic!("{:?}", command.action) };
        assert_eq!(config(action), "requests: 10\nper: 1s\n");
    }

    #[test]
    fn circuits_are_counted_by_state() {
        assert_eq!(circuit_words(Circuits { closed: 2, half_open: 0, open: 1 }), "closed on 2 pods, open on 1 pod");
        assert_eq!(circuit_words(Circuits::default()), "");
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let why = |form: &DecoratorForm| command(form).unwrap_err();
        assert!(why(&form("rate-limits: {}")).contains("rate-limits"));
        assert!(why(&DecoratorForm { callers: "home".into(), ..form("fault: {abort: 500}") }).contains("“home”"));
        assert!(why(&DecoratorForm { ttl: "soon".into(), ..form("fault: {abort: 500}") }).contains("“soon”"));
        assert!(why(&DecoratorForm { service: String::new(), ..form("fault: {abort: 500}") }).contains("service"));
    }
}
