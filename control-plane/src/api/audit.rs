//! `/api/v1/audit`: the audit log, newest entries first.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use crate::api::problem::Problem;
use crate::api::units::instant;
use crate::model::audit::{AuditEntry, AuditEvent};
use crate::model::rules_state::AUDIT_AT_HAND_MAX;
use crate::state::AppState;

/// Entries in a response without `limit`.
const LIMIT_DEFAULT: usize = 200;

/// The query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<usize>,
}

/// The response body.
#[derive(Debug, Serialize)]
pub(super) struct Audit {
    /// The number of entries ever written.
    entries: u64,
    audit: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    number: u64,
    at: String,
    by: String,
    event: AuditEvent,
    namespace: String,
    service: String,
    method: String,
    route: String,
    pods: Vec<String>,
    status: u16,
    expires_at: Option<String>,
    reason: String,
    note: String,
    rule: Option<String>,
    revision: Option<u64>,
}

/// `GET /api/v1/audit`
pub(super) async fn list(
    State(plane): State<Arc<AppState>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Audit>, Problem> {
    let limit = wanted?.limit.unwrap_or(LIMIT_DEFAULT);
    if limit > AUDIT_AT_HAND_MAX {
        return Err(Problem::parameter(format!("limit={limit}: it must be at most {AUDIT_AT_HAND_MAX}")));
    }
    let audit = plane.rules.audit(limit).into_iter().map(Line::from).collect();
    Ok(Json(Audit { entries: plane.rules.state().audit_entries, audit }))
}

impl From<AuditEntry> for Line {
    fn from(entry: AuditEntry) -> Self {
        let about = entry.about;
        Self {
            number: entry.number,
            at: instant(entry.at_ms),
            by: entry.by,
            event: entry.event,
            namespace: about.namespace,
            service: about.service,
            method: about.method,
            route: about.route,
            pods: about.pods,
            status: about.status,
            expires_at: about.expires_ms.map(instant),
            reason: entry.reason,
            note: entry.note,
            rule: entry.rule,
            revision: entry.revision,
        }
    }
}
