//! Server side of the switch: the progress of a rule, and the forms without script that turn an endpoint off and on.

use axum::extract::{Form, Path};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Redirect, Response};
use mesh::rule::{ANY_METHOD, Action, Protection, Scope};

use crate::clock::now_ms;
use crate::dashboard::endpoint::lookup::{find, unknown};
use crate::dashboard::page::PageError;
use crate::dashboard::progress::RuleProgress;
use crate::dashboard::root::Root;
use crate::dashboard::state::DashboardState;
use crate::dashboard::zone::Zone;
use crate::query::snapshot::EndpointRow;
use crate::rules::command::{Command, Unseen};

/// `GET /rules/{id}/progress`
pub async fn progress(Path(id): Path<String>, zone: Zone, state: DashboardState) -> Response {
    match state.reader.rule(&id) {
        Some(status) => Json(RuleProgress::of(&status, now_ms(), &zone)).into_response(),
        None => unknown("this rule is unknown"),
    }
}

/// `POST /endpoints/{id}/off`: the form for browsers without script.
pub async fn off(
    Path(id): Path<String>,
    state: DashboardState,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Redirect, Box<PageError>> {
    let snapshot = state.snapshot();
    let row = find(&snapshot, &id)?;
    let command = command(row, &fields).map_err(|why| PageError::refused(StatusCode::UNPROCESSABLE_ENTITY, why))?;
    match state.reader.create_rule(command).await {
        Ok(_) => Ok(back(&id)),
        Err(error) => Err(PageError::command(&format!("{} is still on", row.endpoint), &error)),
    }
}

/// `POST /endpoints/{id}/on`: the form for browsers without script.
pub async fn on(Path(id): Path<String>, state: DashboardState) -> Result<Redirect, Box<PageError>> {
    let snapshot = state.snapshot();
    let row = find(&snapshot, &id)?;
    let Some(status) = row.switch.rule() else { return Ok(back(&id)) };
    match state.reader.withdraw_rule(&status.rule.id).await {
        Ok(_) => Ok(back(&id)),
        Err(error) => Err(PageError::command(&format!("{} is still off", row.endpoint), &error)),
    }
}

fn command(row: &EndpointRow, fields: &[(String, String)]) -> Result<Command, String> {
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim());
    let status = field("status").parse().map_err(|_| format!("“{}” is not a status code.", field("status")))?;
    let ttl = match field("ttl") {
        "" => None,
        ttl => Some(humantime::parse_duration(ttl).map_err(|error| format!("“{ttl}” is not a duration: {error}."))?),
    };
    let (method, route, scope) = match field("prefix") {
        "" => (row.endpoint.method(), row.endpoint.route(), Scope::Endpoint),
        prefix => (ANY_METHOD, prefix, Scope::Prefix),
    };
    Ok(Command {
        namespace: Some(row.namespace.clone()),
        service: row.service.clone(),
        method: method.to_owned(),
        route: route.to_owned(),
        scope,
        // The page already shows that the endpoint was never called.
        unseen: if row.last_seen_ms.is_none() { Unseen::Allowed } else { Unseen::Refused },
        selection: decorators::selection::Selection::default(),
        protection: if field("override").is_empty() { Protection::Respected } else { Protection::Overridden },
        action: Action::Disable { status },
        pods: fields.iter().filter(|(name, _)| name == "pod").map(|(_, pod)| pod.clone()).collect(),
        ttl,
        reason: field("reason").to_owned(),
    })
}

fn back(id: &str) -> Redirect {
    Redirect::to(&format!("{}endpoints/{id}#switch", Root::TWO_ABOVE))
}

#[cfg(test)]
mod tests {
    use mesh::rule::Rule;

    use super::*;
    use crate::dashboard::progress::again;
    use crate::dashboard::sample;
    use crate::dashboard::sample::NOW_MS;
    use crate::model::rule_status::ReceiptState;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_form_becomes_a_command() {
        let row = &sample::snapshot().endpoints[0];
        let form = fields(&[("ttl", "15m"), ("status", "404"), ("reason", " too slow "), ("pod", "a"), ("pod", "b")]);
        let command = command(row, &form).unwrap();
        assert_eq!(command.action, Action::Disable { status: 404 });
        assert_eq!(command.ttl.map(|ttl| ttl.as_secs()), Some(900));
        assert_eq!((command.reason.as_str(), command.pods), ("too slow", vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn a_form_may_be_about_everything_under_a_path_and_about_health_paths() {
        let row = &sample::snapshot().endpoints[0];
        let form = fields(&[("status", "503"), ("prefix", "/products/*"), ("override", "on"), ("reason", "x")]);
        let command = command(row, &form).unwrap();
        assert_eq!((command.method.as_str(), command.route.as_str(), command.scope), ("*", "/products/*", Scope::Prefix));
        assert_eq!((command.protection, command.unseen), (Protection::Overridden, Unseen::Refused));
    }

    #[test]
    fn a_form_that_makes_no_sense_is_refused_in_words() {
        let row = &sample::snapshot().endpoints[0];
        assert!(command(row, &fields(&[("status", "teapot")])).unwrap_err().contains("teapot"));
        assert!(command(row, &fields(&[("status", "503"), ("ttl", "soon")])).unwrap_err().contains("soon"));
    }

    #[test]
    fn undo_makes_the_same_rule_for_the_time_that_was_left() {
        let status = sample::rule(&sample::snapshot().endpoints[3], &[ReceiptState::Pending]);
        let body = again(&status.rule, NOW_MS);
        assert_eq!((body["ttl"].as_str(), body["action"]["disable"]["status"].as_u64()), (Some("2520s"), Some(503)));
        assert_eq!(body["reason"], "export job is filling the disk");
        assert!(body.get("pods").is_none() && body.get("scope").is_none(), "an empty list would be refused");

        let rule = Rule { scope: Scope::Prefix, protection: Protection::Overridden, ..status.rule.clone() };
        let body = again(&rule, NOW_MS);
        assert_eq!((body["scope"].as_str(), body["override_protected"].as_bool()), (Some("prefix"), Some(true)));
    }
}
