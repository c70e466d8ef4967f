//! The switch's ends on the server: what it costs to turn an endpoint off, how far that has come, and the plain forms.

use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Redirect, Response};
use mesh::rule::{Action, Rule};
use serde::Serialize;
use serde_json::json;

use crate::callers::CalledBy;
use crate::clock::now_ms;
use crate::rules::command::Command;
use crate::snapshot::EndpointRow;
use crate::web::Web;
use crate::web::endpoint::{callers, find};
use crate::web::format;
use crate::web::page::Problem;
use crate::web::progress::Progress;
use crate::web::root::Root;
use crate::web::row::Row;
use crate::web::view::{Span, View, ViewQuery};
use crate::web::zone::Zone;

/// What the dialog tells before anything is turned off.
#[derive(Debug, Serialize)]
struct Impact {
    endpoint: String,
    rps: String,
    span: String,
    hits: String,
    failing: String,
    failing_level: &'static str,
    pods: String,
    /// `All 4 pods`.
    all: String,
    /// The pods by name.
    names: Vec<String>,
    /// Who has been calling, busiest first: a name and how much.
    callers: Vec<(String, String)>,
    /// What there is to say of those that are not named.
    callers_note: String,
    /// The fixed part of the command; the dialog adds what a person chooses.
    command: serde_json::Value,
}

/// `GET /endpoints/{id}/impact`
pub async fn impact(
    Path(id): Path<String>,
    Query(query): Query<ViewQuery>,
    State(web): State<Arc<Web>>,
) -> Result<Response, Box<Problem>> {
    let span = View::from(query).window;
    let snapshot = web.look(span).await?;
    Ok(match find(&snapshot, &id) {
        Ok(row) => Json(Impact::of(row, &web.callers_of(&id, snapshot.taken_ms), snapshot.taken_ms, span)).into_response(),
        Err(_) => unknown("this endpoint is not known any more"),
    })
}

/// `GET /rules/{id}/progress`
pub async fn progress(Path(id): Path<String>, zone: Zone, State(web): State<Arc<Web>>) -> Response {
    match web.rule(&id) {
        Some(status) => Json(Progress::of(&status, now_ms(), &zone)).into_response(),
        None => unknown("this rule is not known any more"),
    }
}

/// `POST /endpoints/{id}/off`, for those without script
pub async fn off(
    Path(id): Path<String>,
    State(web): State<Arc<Web>>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Redirect, Box<Problem>> {
    let snapshot = web.snapshot();
    let row = find(&snapshot, &id)?;
    let command = command(row, &fields).map_err(|why| Problem::refused(StatusCode::UNPROCESSABLE_ENTITY, why))?;
    match web.turn_off(command).await {
        Ok(_) => Ok(back(&id)),
        Err(error) => Err(Problem::refused(StatusCode::CONFLICT, format!("{} is still on: {error}.", row.endpoint))),
    }
}

/// `POST /endpoints/{id}/on`, for those without script
pub async fn on(Path(id): Path<String>, State(web): State<Arc<Web>>) -> Result<Redirect, Box<Problem>> {
    let snapshot = web.snapshot();
    let row = find(&snapshot, &id)?;
    let Some(status) = row.switch.rule() else { return Ok(back(&id)) };
    match web.turn_on(&status.rule.id).await {
        Ok(_) => Ok(back(&id)),
        Err(error) => Err(Problem::refused(StatusCode::CONFLICT, format!("{} is still off: {error}.", row.endpoint))),
    }
}

impl Impact {
    fn of(row: &EndpointRow, called_by: &CalledBy, now_ms: u64, span: Span) -> Self {
        let cells = Row::of(row, now_ms).cells;
        let pods = row.pods.len();
        let (callers, callers_note) = callers::in_short(called_by, row.rps, now_ms);
        Self {
            endpoint: row.endpoint.to_string(),
            rps: cells.rps,
            span: format!("Last {}", span.title()),
            hits: cells.hits,
            failing: cells.failing.words(),
            failing_level: cells.failing_level,
            pods: format::count(pods as u64),
            all: format!("All {}", format::plural(pods, "pod", "pods")),
            names: row.pods.iter().map(|serving| serving.pod.clone()).collect(),
            callers,
            callers_note,
            command: json!({
                "namespace": row.namespace,
                "service": row.service,
                "method": row.endpoint.method(),
                "route": row.endpoint.route(),
            }),
        }
    }
}

/// The body that makes the same rule once more, for as long as it would still have run.
pub fn again(rule: &Rule, now_ms: u64) -> serde_json::Value {
    // Only what turns an endpoint off is shown with a switch.
    let status = match rule.action {
        Action::Disable { status } => status,
        Action::Pin => 0,
    };
    let mut body = json!({
        "namespace": rule.selector.namespace,
        "service": rule.selector.service,
        "method": rule.endpoint.method(),
        "route": rule.endpoint.route(),
        "action": { "disable": { "status": status } },
        "pods": rule.selector.pods,
        "reason": rule.reason,
    });
    if let Some(left) = rule.remaining(now_ms) {
        body["ttl"] = json!(format!("{}s", left.as_secs().max(1)));
    }
    body
}

fn command(row: &EndpointRow, fields: &[(String, String)]) -> Result<Command, String> {
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim());
    let status = field("status").parse().map_err(|_| format!("“{}” is no status.", field("status")))?;
    let ttl = match field("ttl") {
        "" => None,
        ttl => Some(humantime::parse_duration(ttl).map_err(|error| format!("“{ttl}” is no length of time: {error}."))?),
    };
    Ok(Command {
        namespace: Some(row.namespace.clone()),
        service: row.service.clone(),
        method: row.endpoint.method().to_owned(),
        route: row.endpoint.route().to_owned(),
        action: Action::Disable { status },
        pods: fields.iter().filter(|(name, _)| name == "pod").map(|(_, pod)| pod.clone()).collect(),
        ttl,
        reason: field("reason").to_owned(),
    })
}

fn back(id: &str) -> Redirect {
    Redirect::to(&format!("{}endpoints/{id}#switch", Root::TWO_ABOVE))
}

pub(super) fn unknown(why: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "detail": why }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::ReceiptState;
    use crate::web::sample::{self, NOW_MS};

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
    }
}
