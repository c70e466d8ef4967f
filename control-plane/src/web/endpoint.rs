//! The page of one endpoint: its numbers, its responses, its pods, and its switch for those without script.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};

use crate::snapshot::{EndpointRow, ServingState, Snapshot, Switch};
use crate::web::Web;
use crate::web::format::{self, Quantity};
use crate::web::history::{History, HistoryQuery, Show};
use crate::web::judge::ratio;
use crate::web::page::{Page, Problem, Shell};
use crate::web::progress::Progress;
use crate::web::row::Row;
use crate::web::view::{Span, View, ViewQuery};

/// The page.
#[derive(Template)]
#[template(path = "endpoint.html")]
pub struct EndpointPage {
    shell: Shell,
    span: Span,
    row: Row,
    in_flight: String,
    answered_by_rule: String,
    failed: String,
    failed_by_sitio: String,
    client_gone: String,
    shortest: Quantity,
    longest: Quantity,
    first_byte: Quantity,
    p90: Quantity,
    p999: Quantity,
    largest_in: Quantity,
    largest_out: Quantity,
    first_seen: String,
    responses: Vec<Response>,
    pods: Vec<Pod>,
    progress: Option<Progress>,
    history: History,
}

/// How often a status was answered.
struct Response {
    status: String,
    meaning: &'static str,
    count: String,
    share: String,
    /// Of 300.
    bar: String,
    /// `s2`, `s4` or `s5`.
    class: &'static str,
}

/// A pod and what it does with requests for the endpoint.
struct Pod {
    name: String,
    words: &'static str,
    level: &'static str,
}

/// `GET /endpoints/{id}`
pub async fn endpoint(
    Path(id): Path<String>,
    Query(query): Query<ViewQuery>,
    Query(shown): Query<HistoryQuery>,
    State(web): State<Arc<Web>>,
) -> Result<Page<EndpointPage>, Box<Problem>> {
    let span = View::from(query).window;
    let snapshot = web.snapshot(span);
    let row = find(&snapshot, &id)?;
    let history = History::of(&web, row, Show::of(&shown)).await;
    Ok(Page(EndpointPage::of(row, &snapshot, span, history)))
}

/// The endpoint of that id, or the page that says there is none.
pub fn find<'a>(snapshot: &'a Snapshot, id: &str) -> Result<&'a EndpointRow, Box<Problem>> {
    let words = "No endpoint has this address. It may have been forgotten because its pods are long gone.";
    snapshot.endpoints.iter().find(|row| row.id == id).ok_or_else(|| Problem::not_found(snapshot, words))
}

impl EndpointPage {
    fn of(endpoint: &EndpointRow, snapshot: &Snapshot, span: Span, history: History) -> Self {
        let (now, now_ms) = (&endpoint.now, snapshot.taken_ms);
        let progress = match &endpoint.switch {
            Switch::Off(status) | Switch::TurningOff(status) => Some(Progress::of(status, now_ms)),
            Switch::On | Switch::TurningOn { .. } | Switch::Protected | Switch::Unavailable => None,
        };
        Self {
            shell: Shell::of("overview", endpoint.endpoint.to_string(), snapshot),
            span,
            row: Row::of(endpoint, now_ms),
            in_flight: format::count(u64::from(endpoint.in_flight)),
            answered_by_rule: format::count(now.by_rule),
            failed: format::count(now.failed),
            failed_by_sitio: format::count(now.failed_by_sitio),
            client_gone: format::count(now.client_gone()),
            shortest: format::latency(now.min_us.map(|us| us as f64)),
            longest: format::latency((now.served() > 0).then_some(now.max_us as f64)),
            first_byte: format::latency(now.first_byte_mean_us()),
            p90: format::latency(now.quantile_us(0.9)),
            p999: format::latency(now.quantile_us(0.999)),
            largest_in: format::payload(now.bytes_in_max as f64),
            largest_out: format::payload(now.bytes_out_max as f64),
            first_seen: endpoint.first_seen_ms.map_or_else(|| "–".to_owned(), format::instant),
            responses: responses(endpoint),
            pods: endpoint.pods.iter().map(|serving| Pod::of(&serving.pod, serving.state)).collect(),
            progress,
            history,
        }
    }
}

fn responses(endpoint: &EndpointRow) -> Vec<Response> {
    let all = endpoint.now.statuses().iter().map(|(_, count)| count).sum();
    let response = |(status, count): &(u16, u64)| Response {
        status: if *status == 0 { "other".into() } else { status.to_string() },
        meaning: meaning(*status),
        count: format::count(*count),
        share: format::percent(ratio(*count, all)).words(),
        bar: format!("{:.1}", (300.0 * ratio(*count, all)).max(2.0)),
        class: match status / 100 {
            5 => "s5",
            4 => "s4",
            _ => "s2",
        },
    };
    endpoint.now.statuses().iter().map(response).collect()
}

/// What a status says, as IANA registers it.
pub(super) fn meaning(status: u16) -> &'static str {
    match status {
        mesh::golden::CLIENT_GONE => "Client Gone",
        _ => axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or(""),
    }
}

impl Pod {
    fn of(name: &str, state: ServingState) -> Self {
        let (words, level) = match state {
            ServingState::Serving => ("Serving", "ok"),
            ServingState::Off => ("Off", "acc"),
            ServingState::Waiting => ("Waiting", "warn"),
            ServingState::Lost => ("Silent or gone", "bad"),
        };
        Self { name: name.to_owned(), words, level }
    }
}
