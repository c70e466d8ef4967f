//! `/api/v1/endpoints/{id}/history`: the recent exchanges that the pods of an endpoint remember.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::api::problem::Problem;
use crate::api::units::{instant, ms};
use crate::clock::now_ms;
use crate::history::Busy;
use crate::history::choice::{HistoryChoice, HistoryOrder};
use crate::history::request::{HistoryRequest, HistorySource, RememberedExchange};
use crate::state::AppState;

/// Exchanges in a response without `limit`.
const LIMIT: usize = 50;

/// The highest `limit`.
const LIMIT_MAX: usize = 1000;

/// The query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    status: Option<String>,
    slowest: Option<String>,
    pod: Option<String>,
    limit: Option<String>,
}

/// The response body.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    id: &'a str,
    namespace: &'a str,
    service: &'a str,
    method: &'a str,
    route: &'a str,
    taken_at: String,
    exchanges: Vec<Row>,
    /// The pods that have answered.
    pods: Vec<String>,
    /// The pods that have not answered.
    missing: Vec<String>,
    not_asked: usize,
}

/// One exchange, in the format of the API.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    started: String,
    started_ms: u64,
    path: String,
    status: u16,
    reason: String,
    outcome: &'static str,
    took_ms: f64,
    first_byte_ms: Option<f64>,
    bytes_in: u64,
    bytes_out: u64,
    pod: String,
    told_before: bool,
    caller: Option<String>,
    trace_id: Option<String>,
    rule: Option<String>,
}

/// `GET /api/v1/endpoints/{id}/history`: queries the pods.
pub(super) async fn of_endpoint(
    Path(id): Path<String>,
    State(plane): State<Arc<AppState>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked?;
    let choice = choice(&asked)?;
    let now_ms = now_ms();
    let all = plane.timeline.all();
    let Some(series) = all.iter().find(|series| series.id == id) else {
        return Err(unknown_endpoint(&id));
    };
    let wanted = HistoryRequest {
        namespace: &series.namespace,
        service: &series.service,
        endpoint: &series.endpoint,
        pod: asked.pod.as_deref(),
        limit: LIMIT_MAX,
    };
    let gathered = match plane.histories.gather(&wanted, &plane.fleet, now_ms).await {
        Ok(gathered) => gathered,
        Err(Busy) => return Ok(busy()),
    };
    let knows_nobody = gathered.answered.is_empty() && gathered.missing.is_empty() && gathered.exchanges.is_empty();
    if let Some(pod) = wanted.pod.filter(|_| knows_nobody) {
        let detail = format!("no pod {pod} of {} is attached; /api/v1/pods lists those there are", series.service);
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown-pod", "No such pod", detail));
    }
    let answer = Answer {
        id: &series.id,
        namespace: &series.namespace,
        service: &series.service,
        method: series.endpoint.method(),
        route: series.endpoint.route(),
        taken_at: instant(now_ms),
        exchanges: choice.select(gathered.exchanges).into_iter().map(Row::from).collect(),
        pods: gathered.answered.iter().map(ToString::to_string).collect(),
        missing: gathered.missing,
        not_asked: gathered.not_asked,
    };
    Ok(Json(answer).into_response())
}

/// The problem of an unknown endpoint id.
pub(super) fn unknown_endpoint(id: &str) -> Problem {
    let detail = format!("no endpoint has the id {id}; /api/v1/endpoints lists those there are");
    Problem::new(StatusCode::NOT_FOUND, "unknown-endpoint", "No such endpoint", detail)
}

fn choice(asked: &Asked) -> Result<HistoryChoice, Problem> {
    let statuses = asked.status.as_deref().map(str::parse).transpose();
    let first = match asked.slowest.as_deref() {
        None | Some("false") => HistoryOrder::Newest,
        Some("" | "true") => HistoryOrder::Slowest,
        Some(other) => return Err(Problem::parameter(format!("slowest={other}: it is true, false, or without a value"))),
    };
    let limit = match asked.limit.as_deref() {
        None => LIMIT,
        Some(text) => {
            let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
            limit.ok_or_else(|| Problem::parameter(format!("limit={text}: it must be a number from 1 to {LIMIT_MAX}")))?
        }
    };
    let wrong = |why| Problem::parameter(format!("status={}: {why}", asked.status.as_deref().unwrap_or_default()));
    Ok(HistoryChoice { statuses: statuses.map_err(wrong)?, order: first, limit })
}

fn busy() -> Response {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many are asking", Busy.to_string());
    ([(RETRY_AFTER, "1")], problem).into_response()
}

impl From<RememberedExchange> for Row {
    fn from(remembered: RememberedExchange) -> Self {
        let RememberedExchange { pod, exchange, source: known } = remembered;
        Self {
            started: instant(exchange.started_ms),
            started_ms: exchange.started_ms,
            path: exchange.path,
            status: exchange.status,
            reason: exchange.reason,
            outcome: exchange.outcome.word(),
            took_ms: ms(exchange.took_us as f64),
            first_byte_ms: exchange.first_byte_us.map(|us| ms(us as f64)),
            bytes_in: exchange.bytes_in,
            bytes_out: exchange.bytes_out,
            pod: pod.to_string(),
            told_before: known == HistorySource::Pushed,
            caller: exchange.caller.map(|caller| caller.to_string()),
            trace_id: exchange.trace.map(|trace| trace.to_string()),
            rule: exchange.rule,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(status: Option<&str>, slowest: Option<&str>, limit: Option<&str>) -> Result<HistoryChoice, Problem> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        choice(&Asked { status: owned(status), slowest: owned(slowest), pod: None, limit: owned(limit) })
    }

    #[test]
    fn a_choice_is_read_and_what_is_none_is_refused() {
        let all = HistoryChoice { statuses: None, order: HistoryOrder::Newest, limit: LIMIT };
        assert_eq!(asked(None, None, None).unwrap(), all);
        assert_eq!(asked(Some("5xx"), Some(""), Some("7")).unwrap().order, HistoryOrder::Slowest);
        for (status, slowest, limit) in [
            (Some("bad"), None, None),
            (Some(""), None, None),
            (None, Some("very"), None),
            (None, None, Some("0")),
            (None, None, Some("1001")),
            (None, None, Some("-1")),
        ] {
            assert!(asked(status, slowest, limit).is_err(), "{status:?} {slowest:?} {limit:?}");
        }
    }
}
