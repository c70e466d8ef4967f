//! `/api/v1/rules`: turns endpoints off and on, decorates them, and returns the receipt of each pod.

use std::sync::Arc;

use api::rules::{Pin, Receipt, ReceiptState, Rule, RuleAction, RuleCommand, RuleEnd, RuleScope, RuleState, Rules};
use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use decorators::action;
use decorators::disable::Disable;
use decorators::selection::Selection;
use mesh::rule::{Action, Protection, Scope};
use mesh::rule_totals::RuleTotals;

use crate::api::problem::ProblemResponse;
use crate::api::rule_results;
use crate::api::units::instant;
use crate::model::rule_status::{self, PodReceipt, RuleStatus};
use crate::query::reader::Reader;
use crate::rules::command::{Command, CommandError, Unseen};
use crate::rules::effect::Effect;

/// Lists the rules in force.
#[utoipa::path(
    get,
    path = "/api/v1/rules",
    operation_id = "listRules",
    responses(
        (status = 200, description = "The newest first.", body = Rules),
    )
)]
pub(super) async fn list(reader: Reader) -> Json<Rules> {
    // Read before the rules: a reader that compares revisions must not miss one.
    let revision = reader.revision();
    let records = reader.rules_in_force().into_iter().filter(|record| record.rule.action != Action::Pin);
    let rules = records.filter_map(|record| reader.rule(&record.rule.id)).map(|status| rule(&reader, &status)).collect();
    Json(Rules { revision, rules })
}

/// Returns a rule with the receipts of its pods.
#[utoipa::path(
    get,
    path = "/api/v1/rules/{id}",
    operation_id = "getRule",
    params(("id" = String, Path, description = "The rule's id.", example = "r1")),
    responses(
        (status = 200, description = "In force, or ended recently.", body = Rule),
        (status = 404, description = "No such rule."),
    )
)]
pub(super) async fn one(reader: Reader, Path(id): Path<String>) -> Result<Json<Rule>, ProblemResponse> {
    let status = reader.rule(&id).ok_or(CommandError::UnknownRule(id))?;
    Ok(Json(rule(&reader, &status)))
}

/// Turns an endpoint off, or everything under a prefix, or puts a decorator in front of it. The rule is on disk when this returns.
#[utoipa::path(
    post,
    path = "/api/v1/rules",
    operation_id = "createRule",
    request_body = RuleCommand,
    responses(
        (status = 200, description = "With `dry_run`: the rule that would be created, without an id. Its pods are those that are present now.", body = Rule),
        (status = 201, description = "Created, and on its way to the pods.", body = Rule, headers(("Location" = String, description = "Where to get the receipts, relative to the address of this request."))),
        (status = 400, description = "The body is not JSON."),
        (status = 404, description = "No pod of that service has reported."),
        (status = 409, description = "The endpoint is protected, or off already: the problem names the rule."),
        (status = 413, description = "The body is too long."),
        (status = 415, description = "The content type of the body is not JSON."),
        (status = 422, description = "The command is invalid, or no request for the endpoint was ever counted: the problem names the nearest endpoints."),
        (status = 503, description = "The rule could not be written to disk."),
    )
)]
pub(super) async fn create(
    reader: Reader,
    command: Result<Json<RuleCommand>, JsonRejection>,
) -> Result<Response, ProblemResponse> {
    let Json(command) = command?;
    let dry_run = command.dry_run;
    let command = internal_command(command)?;
    if dry_run {
        let status = reader.preview_rule(&command)?;
        return Ok(Json(rule(&reader, &status)).into_response());
    }
    let status = reader.create_rule(command).await?;
    let mut response = (StatusCode::CREATED, Json(rule(&reader, &status))).into_response();
    // Relative to the address of the request, so that it is valid below a proxy's path.
    if let Ok(location) = HeaderValue::try_from(format!("rules/{}", status.rule.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Turns the endpoint on again.
#[utoipa::path(
    delete,
    path = "/api/v1/rules/{id}",
    operation_id = "withdrawRule",
    params(("id" = String, Path, description = "The rule's id.", example = "r1")),
    responses(
        (status = 200, description = "Ended; the receipts now show which pods have confirmed the end.", body = Rule),
        (status = 404, description = "No such rule."),
        (status = 409, description = "It has ended already."),
        (status = 503, description = "The rule could not be written to disk."),
    )
)]
pub(super) async fn withdraw(reader: Reader, Path(id): Path<String>) -> Result<Json<Rule>, ProblemResponse> {
    let status = reader.withdraw_rule(&id).await?;
    Ok(Json(rule(&reader, &status)))
}

/// Sends the rules again to the pods that have not confirmed them.
#[utoipa::path(
    post,
    path = "/api/v1/rules/{id}/resend",
    operation_id = "resendRule",
    params(("id" = String, Path, description = "The rule's id.", example = "r1")),
    responses(
        (status = 202, description = "Sent again.", body = Rule),
        (status = 404, description = "No such rule."),
    )
)]
pub(super) async fn resend(reader: Reader, Path(id): Path<String>) -> Result<Response, ProblemResponse> {
    reader.resend_rule(&id).await?;
    let status = reader.rule(&id).ok_or(CommandError::UnknownRule(id))?;
    Ok((StatusCode::ACCEPTED, Json(rule(&reader, &status))).into_response())
}

fn internal_command(command: RuleCommand) -> Result<Command, ProblemResponse> {
    let ttl = command.ttl.map(|ttl| {
        humantime::parse_duration(&ttl).map_err(|why| {
            let detail = format!("ttl {ttl:?}: {why}; use 15m, 1h or 7d, or omit it for no expiry");
            ProblemResponse::new(StatusCode::UNPROCESSABLE_ENTITY, "command", "Invalid command", detail)
        })
    });
    if command.pods.as_ref().is_some_and(Vec::is_empty) {
        return Err(CommandError::NoPods.into());
    }
    Ok(Command {
        namespace: command.namespace,
        service: command.service,
        method: command.method,
        route: command.route,
        scope: if command.scope == RuleScope::Prefix { Scope::Prefix } else { Scope::Endpoint },
        unseen: if command.allow_unseen { Unseen::Allowed } else { Unseen::Refused },
        protection: if command.override_protected { Protection::Overridden } else { Protection::Respected },
        action: match command.action {
            action::Action::Disable(Disable { status }) => Action::Disable { status },
            action => Action::Decorate(Arc::new(action)),
        },
        selection: Selection { percent: command.percent, callers: command.callers, mode: command.mode },
        pods: command.pods.unwrap_or_default(),
        ttl: ttl.transpose()?,
        reason: command.reason,
    })
}

fn rule(reader: &Reader, status: &RuleStatus) -> Rule {
    let rule = &status.rule;
    let RuleTotals { acted, shadowed, failed, circuits, sides, .. } = reader.rule_totals(rule);
    let warnings = if status.ended.is_none() { reader.warnings(rule) } else { Vec::new() };
    Rule {
        id: rule.id.clone(),
        revision: status.revision,
        namespace: rule.selector.namespace.clone(),
        service: rule.selector.service.clone(),
        method: rule.endpoint.method().to_owned(),
        route: rule.endpoint.route().to_owned(),
        scope: match rule.scope {
            Scope::Endpoint => RuleScope::Endpoint,
            Scope::Prefix => RuleScope::Prefix,
        },
        action: match &rule.action {
            Action::Disable { status } => RuleAction::Decorate(Box::new(action::Action::Disable(Disable { status: *status }))),
            Action::Decorate(action) => RuleAction::Decorate(Box::new(action::Action::clone(action))),
            Action::Pin => RuleAction::Pin { pin: Pin {} },
        },
        percent: rule.selection.percent,
        callers: rule.selection.callers.clone(),
        mode: rule.selection.mode,
        override_protected: rule.protection == Protection::Overridden,
        reason: rule.reason.clone(),
        by: rule.by.clone(),
        state: rule_state(status),
        acted,
        shadowed,
        failed,
        circuits: rule_results::circuits(circuits),
        split: sides.as_deref().map(rule_results::split),
        created_at: instant(status.created_ms),
        expires_at: rule.expires_ms.map(instant),
        ended: status.ended.as_ref().map(|ended| RuleEnd { at: instant(ended.at_ms), by: ended.by.clone() }),
        pods: status.pods.iter().map(Receipt::from).collect(),
        warnings,
    }
}

impl From<&PodReceipt> for Receipt {
    fn from(receipt: &PodReceipt) -> Self {
        let (state, took_ms, why) = match &receipt.state {
            rule_status::ReceiptState::Pending => (ReceiptState::Pending, None, None),
            rule_status::ReceiptState::Applied { took_ms } => (ReceiptState::Applied, Some(*took_ms), None),
            rule_status::ReceiptState::Refused(why) => (ReceiptState::Refused, None, Some(why.clone())),
            rule_status::ReceiptState::Gone => (ReceiptState::Gone, None, None),
        };
        let heard_at = (receipt.last_message_ms > 0).then(|| instant(receipt.last_message_ms));
        Self { pod: receipt.pod.clone(), state, took_ms, why, heard_at }
    }
}

/// The state of the whole rule: that of its worst present pod until it ends; pending without any pod.
pub(super) fn rule_state(status: &RuleStatus) -> RuleState {
    match Effect::from_status(status) {
        Effect::Ended if status.ended.as_ref().is_some_and(|ended| ended.by.is_some()) => RuleState::Withdrawn,
        Effect::Ended => RuleState::Lapsed,
        Effect::Refused => RuleState::Refused,
        Effect::Pending | Effect::Waiting => RuleState::Pending,
        Effect::InForce => RuleState::Applied,
    }
}
