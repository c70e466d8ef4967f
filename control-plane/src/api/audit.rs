//! `/api/v1/audit`: the audit log, newest entries first.

use api::audit::{Audit, AuditLogEntry, AuditLogEvent, AuditQuery};
use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;

use crate::api::problem::ProblemResponse;
use crate::api::units::instant;
use crate::model::audit::{AuditEntry, AuditEvent};
use crate::model::rules_state::AUDIT_AT_HAND_MAX;
use crate::query::reader::Reader;

/// Entries in a response without `limit`.
const LIMIT_DEFAULT: u64 = 200;

/// Lists the newest commands and their results.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "listAudit",
    params(AuditQuery),
    responses(
        (status = 200, description = "The newest first.", body = Audit),
        (status = 400, description = "The limit is invalid."),
    )
)]
pub(super) async fn list(
    reader: Reader,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<Audit>, ProblemResponse> {
    let limit = query?.limit.unwrap_or(LIMIT_DEFAULT);
    if limit > AUDIT_AT_HAND_MAX as u64 {
        return Err(ProblemResponse::parameter(format!("limit={limit}: it must be at most {AUDIT_AT_HAND_MAX}")));
    }
    let audit =
        reader.audit().into_iter().take(limit as usize).map(|entry| AuditLogEntry::from(AuditEntry::clone(&entry))).collect();
    Ok(Json(Audit { entries: reader.audit_entries(), audit }))
}

impl From<AuditEntry> for AuditLogEntry {
    fn from(entry: AuditEntry) -> Self {
        let about = entry.about;
        Self {
            number: entry.number,
            at: instant(entry.at_ms),
            by: entry.by,
            address: entry.address.map(|address| address.to_string()),
            event: entry.event.into(),
            namespace: about.namespace,
            service: about.service,
            method: about.method,
            route: about.route,
            pods: about.pods,
            status: about.status,
            action: Some(about.action).filter(|action| !action.is_empty()),
            expires_at: about.expires_ms.map(instant),
            reason: entry.reason,
            note: entry.note,
            rule: entry.rule,
            revision: entry.revision,
        }
    }
}

impl From<AuditEvent> for AuditLogEvent {
    fn from(event: AuditEvent) -> Self {
        match event {
            AuditEvent::TurnedOff => Self::TurnedOff,
            AuditEvent::TurnedOn => Self::TurnedOn,
            AuditEvent::Lapsed => Self::Lapsed,
            AuditEvent::Decorated => Self::Decorated,
            AuditEvent::Undecorated => Self::Undecorated,
            AuditEvent::Pinned => Self::Pinned,
            AuditEvent::Unpinned => Self::Unpinned,
            AuditEvent::Refused => Self::Refused,
        }
    }
}
