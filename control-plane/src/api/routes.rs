//! `/api/v1/routes`: pins route patterns of a service, and returns the receipt of each pod.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mesh::rule::{ANY_METHOD, Action, Protection, Scope};
use serde::{Deserialize, Serialize};

use crate::api::problem::Problem;
use crate::api::rules::{OPERATOR, Receipt, state};
use crate::api::units::instant;
use crate::model::rule_status::RuleStatus;
use crate::rules::command::{Command, CommandError, Unseen};
use crate::state::AppState;

/// The request body: the pattern to pin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    namespace: Option<String>,
    service: String,
    pattern: String,
    #[serde(default)]
    reason: String,
}

/// The response body of the list.
#[derive(Debug, Serialize)]
pub(super) struct Routes {
    revision: u64,
    routes: Vec<Route>,
}

/// A pinned pattern with its receipts.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Route {
    id: String,
    revision: u64,
    namespace: String,
    service: String,
    pattern: String,
    reason: String,
    by: String,
    state: &'static str,
    created_at: String,
    pods: Vec<Receipt>,
}

/// `GET /api/v1/routes`: the pinned patterns, newest first.
pub(super) async fn list(State(plane): State<Arc<AppState>>) -> Json<Routes> {
    let rules = plane.rules.state();
    let pins = rules.in_force().filter(|record| record.rule.action == Action::Pin);
    let mut ids: Vec<_> = pins.map(|record| (record.revision, record.rule.id.clone())).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let routes = ids.iter().filter_map(|(_, id)| plane.rules.status(id)).map(|status| Route::from(&status)).collect();
    Json(Routes { revision: rules.revision, routes })
}

/// `GET /api/v1/routes/{id}`: one pin, in force or recently withdrawn.
pub(super) async fn one(State(plane): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Route>, Problem> {
    Ok(Json(Route::from(&pin(&plane, id)?)))
}

/// `POST /api/v1/routes`: pins a pattern.
pub(super) async fn create(
    State(plane): State<Arc<AppState>>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(order) = order?;
    let command = Command {
        namespace: order.namespace,
        service: order.service,
        method: ANY_METHOD.to_owned(),
        route: order.pattern,
        scope: Scope::default(),
        unseen: Unseen::default(),
        protection: Protection::default(),
        action: Action::Pin,
        pods: Vec::new(),
        ttl: None,
        reason: order.reason,
    };
    let status = plane.rules.create(command, OPERATOR).await?;
    let mut response = (StatusCode::CREATED, Json(Route::from(&*status))).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("routes/{}", status.rule.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `DELETE /api/v1/routes/{id}`: withdraws a pin. What was counted since stays under the pattern.
pub(super) async fn withdraw(State(plane): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Route>, Problem> {
    pin(&plane, id.clone())?;
    let status = plane.rules.withdraw(&id, OPERATOR).await?;
    Ok(Json(Route::from(&*status)))
}

fn pin(plane: &AppState, id: String) -> Result<RuleStatus, CommandError> {
    let status = plane.rules.status(&id).filter(|status| status.rule.action == Action::Pin);
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
            state: state(status),
            created_at: instant(status.created_ms),
            pods: status.pods.iter().map(Receipt::from).collect(),
        }
    }
}
