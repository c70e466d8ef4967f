//! `/api/v1/rules`: turns endpoints off and on, and returns the receipt of each pod.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mesh::rule::Protection;
use serde::Serialize;

use crate::api::problem::Problem;
use crate::api::rules::order::Order;
use crate::api::units::instant;
use crate::model::rule_status::{PodReceipt, ReceiptState, RuleStatus};
use crate::rules::command::CommandError;
use crate::rules::effect::Effect;
use crate::state::AppState;

mod order;
#[cfg(test)]
mod tests;

/// The author of commands. There is only one until users sign in by name.
pub(super) const OPERATOR: &str = "operator";

/// The response body of the list.
#[derive(Debug, Serialize)]
pub(super) struct Rules {
    revision: u64,
    rules: Vec<Rule>,
}

/// A rule with its receipts.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Rule {
    id: String,
    revision: u64,
    namespace: String,
    service: String,
    method: String,
    route: String,
    scope: order::Scope,
    action: order::Action,
    override_protected: bool,
    reason: String,
    by: String,
    state: &'static str,
    created_at: String,
    expires_at: Option<String>,
    ended: Option<Ended>,
    pods: Vec<Receipt>,
    /// What a person should know of it; empty once it has ended.
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Ended {
    at: String,
    by: Option<String>,
}

/// A pod's receipt for the rule.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Receipt {
    pod: String,
    state: &'static str,
    took_ms: Option<u64>,
    why: Option<String>,
    heard_at: Option<String>,
}

/// `GET /api/v1/rules`: the rules in force, newest first.
pub(super) async fn list(State(plane): State<Arc<AppState>>) -> Json<Rules> {
    let state = plane.rules.state();
    let rules = state.in_force().filter(|record| record.rule.action != mesh::rule::Action::Pin);
    let mut ids: Vec<_> = rules.map(|record| (record.revision, record.rule.id.clone())).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let rules = ids.iter().filter_map(|(_, id)| plane.rules.status(id)).map(|status| Rule::of(&plane, &status)).collect();
    Json(Rules { revision: state.revision, rules })
}

/// `GET /api/v1/rules/{id}`: one rule, in force or recently ended.
pub(super) async fn one(State(plane): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Rule>, Problem> {
    let status = plane.rules.status(&id).ok_or(CommandError::UnknownRule(id))?;
    Ok(Json(Rule::of(&plane, &status)))
}

/// `POST /api/v1/rules`: turns an endpoint off, or returns what that would do.
pub(super) async fn create(
    State(plane): State<Arc<AppState>>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(order) = order?;
    if order.dry_run {
        let status = plane.rules.preview(&order.command()?, OPERATOR)?;
        return Ok(Json(Rule::of(&plane, &status)).into_response());
    }
    let status = plane.rules.create(order.command()?, OPERATOR).await?;
    let mut response = (StatusCode::CREATED, Json(Rule::of(&plane, &status))).into_response();
    // Relative to the address of the request, so that it is valid below a proxy's path.
    if let Ok(location) = HeaderValue::try_from(format!("rules/{}", status.rule.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `DELETE /api/v1/rules/{id}`: turns an endpoint on again.
pub(super) async fn withdraw(State(plane): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Rule>, Problem> {
    let status = plane.rules.withdraw(&id, OPERATOR).await?;
    Ok(Json(Rule::of(&plane, &status)))
}

/// `POST /api/v1/rules/{id}/resend`: sends the rules again to the pods that have not confirmed them.
pub(super) async fn resend(State(plane): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Response, Problem> {
    plane.rules.resend(&id).await?;
    let status = plane.rules.status(&id).ok_or(CommandError::UnknownRule(id))?;
    Ok((StatusCode::ACCEPTED, Json(Rule::of(&plane, &status))).into_response())
}

impl Rule {
    fn of(plane: &AppState, status: &RuleStatus) -> Self {
        let rule = &status.rule;
        let warnings = if status.ended.is_none() { plane.rules.warnings(rule) } else { Vec::new() };
        Self {
            id: rule.id.clone(),
            revision: status.revision,
            namespace: rule.selector.namespace.clone(),
            service: rule.selector.service.clone(),
            method: rule.endpoint.method().to_owned(),
            route: rule.endpoint.route().to_owned(),
            scope: rule.scope.into(),
            action: order::Action::from(&rule.action),
            override_protected: rule.protection == Protection::Overridden,
            reason: rule.reason.clone(),
            by: rule.by.clone(),
            state: state(status),
            created_at: instant(status.created_ms),
            expires_at: rule.expires_ms.map(instant),
            ended: status.ended.as_ref().map(|ended| Ended { at: instant(ended.at_ms), by: ended.by.clone() }),
            pods: status.pods.iter().map(Receipt::from).collect(),
            warnings,
        }
    }
}

impl From<&PodReceipt> for Receipt {
    fn from(receipt: &PodReceipt) -> Self {
        let (state, took_ms, why) = match &receipt.state {
            ReceiptState::Pending => ("pending", None, None),
            ReceiptState::Applied { took_ms } => ("applied", Some(*took_ms), None),
            ReceiptState::Refused(why) => ("refused", None, Some(why.clone())),
            ReceiptState::Gone => ("gone", None, None),
        };
        let heard_at = (receipt.heard_ms > 0).then(|| instant(receipt.heard_ms));
        Self { pod: receipt.pod.clone(), state, took_ms, why, heard_at }
    }
}

/// The state of the whole rule: that of its worst present pod until it ends; `pending` without any pod.
pub(super) fn state(status: &RuleStatus) -> &'static str {
    match Effect::from_status(status) {
        Effect::Ended if status.ended.as_ref().is_some_and(|ended| ended.by.is_some()) => "withdrawn",
        Effect::Ended => "lapsed",
        Effect::Refused => "refused",
        Effect::Pending | Effect::Waiting => "pending",
        Effect::InForce => "applied",
    }
}
