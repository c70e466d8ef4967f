//! `/api/v1/routes`: pins route patterns of a service, and returns the receipt of each pod.

use api::routes::{PinCommand, Route, Routes};
use api::rules::Receipt;
use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mesh::rule::{ANY_METHOD, Action, Protection, Scope};

use crate::api::problem::ProblemResponse;
use crate::api::rules::rule_state;
use crate::api::units::instant;
use crate::model::rule_status::RuleStatus;
use crate::query::reader::Reader;
use crate::rules::command::{Command, CommandError, Unseen};

/// Lists the pinned patterns.
#[utoipa::path(
    get,
    path = "/api/v1/routes",
    operation_id = "listRoutes",
    responses(
        (status = 200, description = "The newest first.", body = Routes),
    )
)]
pub(super) async fn list(reader: Reader) -> Json<Routes> {
    let revision = reader.revision();
    let pins = reader.rules_in_force().into_iter().filter(|record| record.rule.action == Action::Pin);
    let routes = pins.filter_map(|record| reader.rule(&record.rule.id)).map(|status| Route::from(&status)).collect();
    Json(Routes { revision, routes })
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
pub(super) async fn one(reader: Reader, Path(id): Path<String>) -> Result<Json<Route>, ProblemResponse> {
    Ok(Json(Route::from(&pin(&reader, id)?)))
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
    reader: Reader,
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
        selection: decorators::selection::Selection::default(),
        protection: Protection::default(),
        action: Action::Pin,
        pods: Vec::new(),
        ttl: None,
        reason: pin.reason,
    };
    let status = reader.create_rule(command).await?;
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
pub(super) async fn withdraw(reader: Reader, Path(id): Path<String>) -> Result<Json<Route>, ProblemResponse> {
    pin(&reader, id.clone())?;
    let status = reader.withdraw_rule(&id).await?;
    Ok(Json(Route::from(&*status)))
}

fn pin(reader: &Reader, id: String) -> Result<RuleStatus, CommandError> {
    let status = reader.rule(&id).filter(|status| status.rule.action == Action::Pin);
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
