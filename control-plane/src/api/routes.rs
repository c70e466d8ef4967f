//! `/api/v1/routes`: pins route patterns of a service, and returns the receipt of each pod.

use std::sync::Arc;

use api::routes::{PinCommand, Route, Routes};
use api::rules::Receipt;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mesh::rule::{ANY_METHOD, Action, Protection, Scope};

use crate::api::problem::ProblemResponse;
use crate::api::rules::{OPERATOR, rule_state};
use crate::api::units::instant;
use crate::model::rule_status::RuleStatus;
use crate::rules::command::{Command, CommandError, Unseen};
use crate::state::AppState;

/// Lists the pinned patterns.
#[utoipa::path(
    get,
    path = "/api/v1/routes",
    operation_id = "listRoutes",
    responses(
        (status = 200, description = "The newest first.", body = Routes),
    )
)]
pub(super) async fn list(State(state): State<Arc<AppState>>) -> Json<Routes> {
    let rules = state.rules.state();
    let pins = rules.in_force().filter(|record| record.rule.action == Action::Pin);
    let mut ids: Vec<_> = pins.map(|record| (record.revision, record.rule.id.clone())).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let routes = ids.iter().filter_map(|(_, id)| state.rules.status(id)).map(|status| Route::from(&status)).collect();
    Json(Routes { revision: rules.revision, routes })
}

/// Returns a pinned pattern with the receipts of its pods.
#[utoipa::path(
    get,
    path = "/api/v1/routes/{id}",
    operation_id = "getRoute",
    params(("id" = String, Path, description = "The rule's id.", example = "r2")),
    responses(
        (status = 200, description = "In force, or withdrawn recently.", body = Route),
        (status = 404, description = "No such rule."),
    )
)]
pub(super) async fn one(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Route>, ProblemResponse> {
    Ok(Json(Route::from(&pin(&state, id)?)))
}

/// Pins a pattern: the counts of the routes that it matches are merged, here and on every pod, and no total changes.
#[utoipa::path(
    post,
    path = "/api/v1/routes",
    operation_id = "pinRoute",
    request_body = PinCommand,
    responses(
        (status = 201, description = "Pinned, and on its way to the pods.", body = Route),
        (status = 400, description = "The body is not JSON."),
        (status = 404, description = "No pod of that service has reported."),
        (status = 409, description = "The pattern is pinned already, or would turn an endpoint on."),
        (status = 413, description = "The body is too long."),
        (status = 415, description = "The content type of the body is not JSON."),
        (status = 422, description = "The command is invalid."),
        (status = 503, description = "The pin could not be written to disk."),
    )
)]
pub(super) async fn create(
    State(state): State<Arc<AppState>>,
    command: Result<Json<PinCommand>, JsonRejection>,
) -> Result<Response, ProblemResponse> {
    let Json(pin) = command?;
    let command = Command {
        namespace: pin.namespace,
        service: pin.service,
        method: ANY_METHOD.to_owned(),
        route: pin.pattern,
        scope: Scope::default(),
        unseen: Unseen::default(),
        protection: Protection::default(),
        action: Action::Pin,
        pods: Vec::new(),
        ttl: None,
        reason: pin.reason,
    };
    let status = state.rules.create(command, OPERATOR).await?;
    let mut response = (StatusCode::CREATED, Json(Route::from(&*status))).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("routes/{}", status.rule.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Withdraws a pin. What was counted since stays under the pattern.
#[utoipa::path(
    delete,
    path = "/api/v1/routes/{id}",
    operation_id = "unpinRoute",
    params(("id" = String, Path, description = "The rule's id.", example = "r2")),
    responses(
        (status = 200, description = "The withdrawn pin.", body = Route),
        (status = 404, description = "No such rule."),
        (status = 409, description = "It has ended already."),
        (status = 503, description = "The pin could not be written to disk."),
    )
)]
pub(super) async fn withdraw(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Route>, ProblemResponse> {
    pin(&state, id.clone())?;
    let status = state.rules.withdraw(&id, OPERATOR).await?;
    Ok(Json(Route::from(&*status)))
}

fn pin(state: &AppState, id: String) -> Result<RuleStatus, CommandError> {
    let status = state.rules.status(&id).filter(|status| status.rule.action == Action::Pin);
    status.ok_or(CommandError::UnknownRule(id))
}

impl From<&RuleStatus> for Route {
    fn from(status: &RuleStatus) -> Self {
        let rule = &status.rule;
        Self {
            id: rule.id.clone(),
            revision: status.revision,
            namespace: rule.selector.namespace.clone(),
            service: rule.selector.service.clone(),
            pattern: rule.endpoint.route().to_owned(),
            reason: rule.reason.clone(),
            by: rule.by.clone(),
            state: rule_state(status),
            created_at: instant(status.created_ms),
            pods: status.pods.iter().map(Receipt::from).collect(),
        }
    }
}
