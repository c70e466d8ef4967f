//! `/api/v1/endpoints`: the metrics of every endpoint, added up over its pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use crate::api::problem::Problem;
use crate::api::recovery::Recovery;
use crate::api::units::{instant, ms, rate, window_name, window_or_range};
use crate::clock::now_ms;
use crate::model::switch::Switch;
use crate::model::window::QueryWindow;
use crate::query::long_windows::{self, Depth};
use crate::query::snapshot::{EndpointRow, Snapshot};
use crate::state::AppState;

/// The query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    window: Option<String>,
    from: Option<String>,
    to: Option<String>,
    namespace: Option<String>,
    service: Option<String>,
}

/// The response body.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    window: String,
    /// Of a range: the start of the whole slots that its numbers are the sum of.
    from: Option<String>,
    to: Option<String>,
    taken_at: String,
    covered_s: f64,
    /// `None` once every pod that was attached before the restart has reported, or the wait for it was given up.
    recovery: Option<Recovery>,
    endpoints: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    id: String,
    namespace: String,
    service: String,
    method: String,
    route: String,
    file: bool,
    hits: u64,
    by_rule: u64,
    failed: u64,
    failed_by_sitio: u64,
    client_gone: u64,
    avg_ms: Option<f64>,
    min_ms: Option<f64>,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    p999_ms: Option<f64>,
    max_ms: Option<f64>,
    first_byte_avg_ms: Option<f64>,
    first_byte_max_ms: Option<f64>,
    rps: f64,
    blocked_rps: f64,
    status: BTreeMap<String, u64>,
    bytes_in: u64,
    bytes_in_max: u64,
    bytes_out: u64,
    bytes_out_max: u64,
    in_flight: u32,
    first_seen: Option<String>,
    last_seen: Option<String>,
    state: &'static str,
    rule: Option<String>,
    pods: Vec<String>,
}

/// `GET /api/v1/endpoints`, sorted by service and route.
pub(super) async fn list(
    State(plane): State<Arc<AppState>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Answer>, Problem> {
    let Query(wanted) = wanted?;
    let now_ms = now_ms();
    let (from, to) = (wanted.from.as_deref(), wanted.to.as_deref());
    let window = window_or_range(wanted.window.as_deref(), from, to, now_ms)?;
    let past = long_windows::read(&plane, window, Depth::Window, now_ms).await?;
    let snapshot = Snapshot::take(&plane, window, past.as_deref(), now_ms);
    let is_wanted = |row: &EndpointRow| {
        wanted.service.as_ref().is_none_or(|service| *service == row.service)
            && wanted.namespace.as_ref().is_none_or(|namespace| *namespace == row.namespace)
    };
    let mut endpoints: Vec<_> = snapshot.endpoints.into_iter().filter(is_wanted).map(Row::from).collect();
    let name =
        |endpoint: &Row| (endpoint.namespace.clone(), endpoint.service.clone(), endpoint.route.clone(), endpoint.method.clone());
    endpoints.sort_by_cached_key(name);
    let range = if let QueryWindow::Between(range) = snapshot.window { Some(range) } else { None };
    Ok(Json(Answer {
        window: window_name(window),
        from: range.map(|range| instant(range.from_ms)),
        to: range.map(|range| instant(range.to_ms)),
        taken_at: instant(snapshot.taken_ms),
        covered_s: rate(snapshot.covered_s),
        recovery: snapshot.recovery.map(Recovery::from),
        endpoints,
    }))
}

impl From<EndpointRow> for Row {
    fn from(row: EndpointRow) -> Self {
        let (golden, timed) = (&row.now, row.now.served() > 0);
        let quantile_ms = |q: f64| golden.quantile_us(q).map(ms);
        let (state, rule) = state(&row.switch);
        Self {
            hits: golden.hits,
            by_rule: golden.by_rule,
            failed: golden.failed,
            failed_by_sitio: golden.failed_by_sitio,
            client_gone: golden.client_gone(),
            avg_ms: golden.mean_us().map(ms),
            min_ms: golden.min_us.map(|us| ms(us as f64)),
            p50_ms: quantile_ms(0.5),
            p90_ms: quantile_ms(0.9),
            p95_ms: quantile_ms(0.95),
            p99_ms: quantile_ms(0.99),
            p999_ms: quantile_ms(0.999),
            first_byte_avg_ms: golden.first_byte_mean_us().map(ms),
            first_byte_max_ms: timed.then(|| ms(golden.first_byte_max_us as f64)),
            max_ms: timed.then(|| ms(golden.max_us as f64)),
            rps: rate(row.rps),
            blocked_rps: rate(row.blocked_rps),
            status: golden.statuses().iter().map(|(code, count)| (code.to_string(), *count)).collect(),
            bytes_in: golden.bytes_in,
            bytes_in_max: golden.bytes_in_max,
            bytes_out: golden.bytes_out,
            bytes_out_max: golden.bytes_out_max,
            in_flight: row.in_flight,
            first_seen: row.first_seen_ms.map(instant),
            last_seen: row.last_seen_ms.map(instant),
            state,
            rule,
            pods: row.pods.iter().map(|serving| serving.pod.clone()).collect(),
            method: row.endpoint.method().to_owned(),
            route: row.endpoint.route().to_owned(),
            id: row.id,
            namespace: row.namespace,
            service: row.service,
            file: row.is_file,
        }
    }
}

/// The state of the switch, and the id of its rule.
fn state(switch: &Switch) -> (&'static str, Option<String>) {
    match switch {
        Switch::On => ("on", None),
        Switch::Off(rule) => ("off", Some(rule.rule.id.clone())),
        Switch::PartlyOff { status, .. } => ("partly_off", Some(status.rule.id.clone())),
        Switch::TurningOff(rule) => ("turning_off", Some(rule.rule.id.clone())),
        Switch::TurningOn { .. } => ("turning_on", None),
        Switch::Protected => ("protected", None),
        Switch::Unavailable => ("unavailable", None),
    }
}
