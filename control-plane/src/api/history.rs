//! `/api/v1/endpoints/{id}/history`: the recent exchanges that the pods of an endpoint remember.

use api::history::{Exchange, History, HistoryQuery};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};

use crate::api::problem::ProblemResponse;
use crate::api::units::{instant, ms};
use crate::clock::now_ms;
use crate::history::Busy;
use crate::history::choice::{HistoryChoice, HistoryOrder};
use crate::history::request::{HistoryRequest, HistorySource, RememberedExchange};
use crate::query::reader::Reader;

/// Exchanges in a response without `limit`.
const LIMIT: usize = 50;

/// The highest `limit`.
const LIMIT_MAX: usize = 1000;

/// Returns exchanges that the pods of an endpoint keep: the newest, the slowest, failures, and the first of each status. The
/// sidecars are asked now.
#[utoipa::path(
    get,
    path = "/api/v1/endpoints/{id}/history",
    operation_id = "listHistory",
    params(("id" = String, Path, description = "The endpoint's id, as in the list.", example = "ef25efbf1f03e"), HistoryQuery),
    responses(
        (status = 200, description = "Merged over the pods. A pod that does not answer within a second is listed as missing.", body = History),
        (status = 400, description = "A parameter is invalid."),
        (status = 404, description = "No such endpoint, or no such pod."),
        (status = 503, description = "Too many queries; `Retry-After` says when to retry."),
    )
)]
pub(super) async fn of_endpoint(
    Path(id): Path<String>,
    reader: Reader,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Response, ProblemResponse> {
    let Query(query) = query?;
    let choice = choice(&query)?;
    let now_ms = now_ms();
    let series = reader.one_series(&id).ok_or_else(|| unknown_endpoint(&id))?;
    let wanted = HistoryRequest {
        namespace: series.namespace(),
        service: series.service(),
        endpoint: &series.endpoint,
        pod: query.pod.as_deref(),
        limit: LIMIT_MAX,
    };
    let gathered = match reader.gather_history(&wanted, now_ms).await {
        Ok(gathered) => gathered,
        Err(Busy) => return Ok(busy()),
    };
    let knows_none = gathered.answered.is_empty() && gathered.missing.is_empty() && gathered.exchanges.is_empty();
    if let Some(pod) = wanted.pod.filter(|_| knows_none) {
        let detail = format!("no pod {pod} of {} is attached; /api/v1/pods lists those there are", series.service());
        return Err(ProblemResponse::new(StatusCode::NOT_FOUND, "unknown-pod", "No such pod", detail));
    }
    let history = History {
        id,
        namespace: series.namespace().to_owned(),
        service: series.service().to_owned(),
        method: series.endpoint.method().to_owned(),
        route: series.endpoint.route().to_owned(),
        taken_at: instant(now_ms),
        exchanges: choice.select(gathered.exchanges).into_iter().map(Exchange::from).collect(),
        pods: gathered.answered.iter().map(ToString::to_string).collect(),
        missing: gathered.missing,
        not_asked: gathered.not_asked as u64,
    };
    Ok(Json(history).into_response())
}

/// The problem of an unknown endpoint id.
pub(super) fn unknown_endpoint(id: &str) -> ProblemResponse {
    let detail = format!("no endpoint has the id {id}; /api/v1/endpoints lists those there are");
    ProblemResponse::new(StatusCode::NOT_FOUND, "unknown-endpoint", "No such endpoint", detail)
}

fn choice(query: &HistoryQuery) -> Result<HistoryChoice, ProblemResponse> {
    let statuses = query.status.as_deref().map(str::parse).transpose();
    let first = match query.slowest.as_deref() {
        None | Some("false") => HistoryOrder::Newest,
        Some("" | "true") => HistoryOrder::Slowest,
        Some(other) => return Err(ProblemResponse::parameter(format!("slowest={other}: it is true, false, or without a value"))),
    };
    let limit = match query.limit.as_deref() {
        None => LIMIT,
        Some(text) => {
            let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
            limit.ok_or_else(|| ProblemResponse::parameter(format!("limit={text}: it must be a number from 1 to {LIMIT_MAX}")))?
        }
    };
    let wrong = |why| ProblemResponse::parameter(format!("status={}: {why}", query.status.as_deref().unwrap_or_default()));
    Ok(HistoryChoice { statuses: statuses.map_err(wrong)?, order: first, limit })
}

fn busy() -> Response {
    let problem = ProblemResponse::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many are asking", Busy.to_string());
    ([(RETRY_AFTER, "1")], problem).into_response()
}

impl From<RememberedExchange> for Exchange {
    fn from(remembered: RememberedExchange) -> Self {
        let RememberedExchange { pod, exchange, source: known } = remembered;
        Self {
            started: instant(exchange.started_ms),
            started_ms: exchange.started_ms,
            path: exchange.path,
            status: exchange.status,
            reason: exchange.reason,
            outcome: exchange.outcome.word().to_owned(),
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

    fn asked(status: Option<&str>, slowest: Option<&str>, limit: Option<&str>) -> Result<HistoryChoice, ProblemResponse> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        choice(&HistoryQuery { status: owned(status), slowest: owned(slowest), pod: None, limit: owned(limit) })
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
