//! `/api/v1/endpoints`: the metrics of every endpoint, added up over its pods.

use api::endpoints::{Endpoint, EndpointState, Endpoints, EndpointsQuery};
use api::status::Recovery;
use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;

use crate::api::problem::ProblemResponse;
use crate::api::units::{instant, ms, rate, window_name, window_or_range};
use crate::clock::now_ms;
use crate::model::switch::Switch;
use crate::model::window::QueryWindow;
use crate::query::long_windows::Depth;
use crate::query::reader::Reader;
use crate::query::snapshot::EndpointRow;

/// Lists the endpoints with their metrics, summed over their pods.
#[utoipa::path(
    get,
    path = "/api/v1/endpoints",
    operation_id = "listEndpoints",
    params(EndpointsQuery),
    responses(
        (status = 200, description = "Sorted by namespace, service and route.", body = Endpoints),
        (status = 400, description = "A parameter is invalid."),
        (status = 503, description = "The store cannot be read now."),
    )
)]
pub(super) async fn list(
    reader: Reader,
    query: Result<Query<EndpointsQuery>, QueryRejection>,
) -> Result<Json<Endpoints>, ProblemResponse> {
    let Query(query) = query?;
    let now_ms = now_ms();
    let (from, to) = (query.from.as_deref(), query.to.as_deref());
    let window = window_or_range(query.window.as_deref(), from, to, now_ms)?;
    let past = reader.past(window, Depth::Window, now_ms).await?;
    let snapshot = reader.snapshot(window, past.as_deref(), now_ms);
    let is_wanted = |row: &EndpointRow| {
        query.service.as_ref().is_none_or(|service| *service == row.service)
            && query.namespace.as_ref().is_none_or(|namespace| *namespace == row.namespace)
    };
    let mut endpoints: Vec<_> = snapshot.endpoints.into_iter().filter(is_wanted).map(Endpoint::from).collect();
    let name = |endpoint: &Endpoint| {
        (endpoint.namespace.clone(), endpoint.service.clone(), endpoint.route.clone(), endpoint.method.clone())
    };
    endpoints.sort_by_cached_key(name);
    let range = if let QueryWindow::Between(range) = snapshot.window { Some(range) } else { None };
    Ok(Json(Endpoints {
        window: window_name(window),
        from: range.map(|range| instant(range.from_ms)),
        to: range.map(|range| instant(range.to_ms)),
        taken_at: instant(snapshot.taken_ms),
        covered_s: rate(snapshot.covered_s),
        recovery: snapshot.recovery.map(Recovery::from),
        endpoints,
    }))
}

impl From<EndpointRow> for Endpoint {
    fn from(row: EndpointRow) -> Self {
        let (golden, timed) = (&row.now, row.now.served() > 0);
        let quantile_ms = |q: f64| golden.quantile_us(q).map(ms);
        let (state, rule) = switch_state(&row.switch);
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
            in_flight: row.in_flight.into(),
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
fn switch_state(switch: &Switch) -> (EndpointState, Option<String>) {
    match switch {
        Switch::On => (EndpointState::On, None),
        Switch::Off(rule) => (EndpointState::Off, Some(rule.rule.id.clone())),
        Switch::PartlyOff { status, .. } => (EndpointState::PartlyOff, Some(status.rule.id.clone())),
        Switch::TurningOff(rule) => (EndpointState::TurningOff, Some(rule.rule.id.clone())),
        Switch::TurningOn { .. } => (EndpointState::TurningOn, None),
        Switch::Protected => (EndpointState::Protected, None),
        Switch::Unavailable => (EndpointState::Unavailable, None),
    }
}
