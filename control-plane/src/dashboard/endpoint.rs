//! The page of one endpoint: charts, statuses, pods, callers, recent requests, and its switch.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::clock::now_ms;
use crate::counts::timeline::recent_minutes::RecentTotals;
use crate::dashboard::chart::columns::Columns;
use crate::dashboard::endpoint::lookup::find;
use crate::dashboard::endpoint::versions::Versions;
use crate::dashboard::endpoint::view_model::{EndpointView, ViewSource};
use crate::dashboard::frame::FrameCells;
use crate::dashboard::history::{HistoryFilter, HistoryQuery, RequestHistory};
use crate::dashboard::impact;
use crate::dashboard::live_frame::LiveFrame;
use crate::dashboard::page::{HtmlPage, PageError, PageReader, Shell};
use crate::dashboard::progress::RuleProgress;
use crate::dashboard::query::{DisplayWindow, ViewQuery};
use crate::dashboard::range::RangeForm;
use crate::dashboard::root::Root;
use crate::dashboard::state::DashboardState;
use crate::dashboard::zone::Zone;
use crate::model::window::QueryWindow;
use crate::query::snapshot::{EndpointRow, Snapshot};
use crate::store::StoreError;

pub mod callers;
pub mod files;
pub mod lookup;
pub mod numbers;
pub mod past;
pub mod pods;
pub mod responses;
pub mod versions;
pub mod view_model;

/// Up to this many pods, a page that follows the requests polls them every two seconds.
const FOLLOWED_CLOSELY_MAX: usize = 16;

/// The template of the page.
#[derive(Template)]
#[template(path = "endpoint.html")]
pub struct EndpointPage {
    shell: Shell,
    namespace: String,
    service: String,
    span: DisplayWindow,
    look: EndpointView,
    progress: Option<RuleProgress>,
    /// The scopes that can be turned off: a prefix (empty for the endpoint alone) and its label.
    scopes: Vec<(String, String)>,
    history: RequestHistory,
    /// The form for a range between two instants.
    range: RangeForm,
}

/// `GET /endpoints/{id}`
pub async fn endpoint(
    Path(id): Path<String>,
    Query(query): Query<ViewQuery>,
    Query(shown): Query<HistoryQuery>,
    zone: Zone,
    state: DashboardState,
) -> Result<HtmlPage<EndpointPage>, Box<PageError>> {
    let span = query.chosen(&zone, now_ms())?;
    let snapshot = state.snapshot_over(span).await?;
    let row = find(&snapshot, &id)?;
    let columns = columns_over(&state, &snapshot, row, span).await?;
    let history = RequestHistory::of(&state, row, HistoryFilter::of(&shown)).await;
    Ok(HtmlPage(EndpointPage::of(
        &snapshot,
        row,
        span,
        look(&state, &snapshot, row, columns, &zone),
        history,
        &zone,
        PageReader::from(&*state.reader.principal),
    )))
}

/// `GET /endpoints/{id}/requests`: the rows of the recent requests as live values, for polling.
pub async fn requests(Path(id): Path<String>, Query(shown): Query<HistoryQuery>, state: DashboardState) -> Response {
    let snapshot = state.snapshot_of_endpoint(&id);
    let Ok(row) = find(&snapshot, &id) else {
        return lookup::unknown("this endpoint is unknown");
    };
    let history = RequestHistory::of(&state, row, HistoryFilter::of(&shown)).await;
    let again_ms = if row.pods.len() <= FOLLOWED_CLOSELY_MAX { 2000 } else { 10_000 };
    Json(json!({ "c": history.cells().elements(), "again_ms": again_ms })).into_response()
}

/// Reads the data of an endpoint's charts from disk, if memory does not cover the window.
pub async fn read_chart(state: &DashboardState, id: &str, span: DisplayWindow) -> Result<(), StoreError> {
    match span.window() {
        QueryWindow::Last(window) => state.charts.look_back(&state.reader, id, window, now_ms()).await,
        QueryWindow::All | QueryWindow::Between(_) => Ok(()),
    }
}

/// The counts of an endpoint over time, from memory or disk.
pub async fn columns_over(
    state: &DashboardState,
    snapshot: &Snapshot,
    row: &EndpointRow,
    span: DisplayWindow,
) -> Result<Columns, Box<PageError>> {
    let unreadable = |error: StoreError| PageError::unreadable(&error, span);
    if let QueryWindow::Between(range) = snapshot.window {
        return state.charts.between(&state.reader, &row.id, range, snapshot.taken_ms).await.map_err(unreadable);
    }
    read_chart(state, &row.id, span).await.map_err(unreadable)?;
    Ok(columns(state, snapshot, row))
}

/// Everything that changes on the page of an endpoint.
pub fn look(state: &DashboardState, snapshot: &Snapshot, row: &EndpointRow, columns: Columns, zone: &Zone) -> EndpointView {
    let lately = lately(state, row, snapshot.taken_ms);
    let audit = state.reader.audit();
    let entries: Vec<_> = audit.iter().map(Arc::as_ref).filter(|entry| past::is_about(entry, row)).collect();
    let (reported, called_by) = (RequestHistory::describe(state, row), state.callers_of_endpoints(&[&row.id], snapshot.taken_ms));
    let entries = &entries;
    EndpointView::at(&ViewSource {
        row,
        snapshot,
        columns: &columns,
        lately: &lately,
        called_by: &called_by,
        entries,
        reported: &reported,
        versions: Versions::of(state, row),
        zone,
    })
}

/// The endpoint's counts over time, from memory or from the cached chart.
fn columns(state: &DashboardState, snapshot: &Snapshot, row: &EndpointRow) -> Columns {
    let window = match snapshot.window {
        QueryWindow::Last(window) => window,
        QueryWindow::All => std::time::Duration::from_secs(3600),
        QueryWindow::Between(range) => std::time::Duration::from_millis(range.length_ms()),
    };
    let Some(series) = state.reader.one_series(&row.id) else {
        return Columns::default();
    };
    let long = state.charts.columns(&series, window, state.reader.naming_revision(), snapshot.taken_ms);
    long.unwrap_or_else(|| Columns::of(&series, window, snapshot.taken_ms))
}

/// The recent counts of each of its pods, by pod name.
fn lately(state: &DashboardState, row: &EndpointRow, now_ms: u64) -> HashMap<String, RecentTotals> {
    state.reader.recent_by_pod((&row.namespace, &row.service), &row.endpoint, now_ms)
}

/// The live frame of the page. If the endpoint is unknown, only the page frame.
pub fn live_frame(state: &DashboardState, snapshot: &Snapshot, id: &str, zone: &Zone) -> LiveFrame {
    let row = snapshot.endpoints.iter().find(|row| row.id == id);
    let mut cells = row.map(|row| look(state, snapshot, row, columns(state, snapshot, row), zone).cells()).unwrap_or_default();
    let title = row.map_or_else(|| "Endpoint".to_owned(), |row| row.endpoint.to_string());
    cells.show("frame", &FrameCells::of(&title, snapshot).below(Root::ABOVE));
    LiveFrame::of(snapshot.taken_ms, cells, Vec::new())
}

impl EndpointPage {
    fn of(
        snapshot: &Snapshot,
        row: &EndpointRow,
        span: DisplayWindow,
        look: EndpointView,
        history: RequestHistory,
        zone: &Zone,
        reader: PageReader,
    ) -> Self {
        let progress = row.switch.rule().map(|status| RuleProgress::of(status, snapshot.taken_ms, zone));
        let shell = Shell::of("endpoint", row.endpoint.to_string(), snapshot, reader)
            .carrying(span)
            .live_unless_range(span)
            .below(Root::ABOVE);
        let (namespace, service, scopes) = (row.namespace.clone(), row.service.clone(), impact::scopes(row));
        let range = RangeForm::of(span, snapshot, zone);
        Self { shell, namespace, service, span, look, progress, scopes, history, range }
    }
}

#[cfg(test)]
mod tests;
