//! The page of one endpoint: charts, statuses, pods, callers, recent requests, and its switch.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::clock::now_ms;
use crate::snapshot::{EndpointRow, Snapshot, Window};
use crate::store::StoreError;
use crate::timeline::lately::Recent;
use crate::web::Web;
use crate::web::chart::columns::Columns;
use crate::web::endpoint::look::{Look, Sight};
use crate::web::frame::FrameCells;
use crate::web::history::{History, HistoryQuery, Show};
use crate::web::impact;
use crate::web::moment::Moment;
use crate::web::page::{Page, Problem, Shell};
use crate::web::progress::Progress;
use crate::web::range::RangeForm;
use crate::web::root::Root;
use crate::web::view::{Span, ViewQuery};
use crate::web::zone::Zone;

pub mod callers;
pub mod copies;
pub mod files;
pub mod look;
pub mod numbers;
pub mod past;
pub mod responses;

/// Up to this many pods, a page that follows the requests polls them every two seconds.
const FOLLOWED_CLOSELY_MAX: usize = 16;

/// The template of the page.
#[derive(Template)]
#[template(path = "endpoint.html")]
pub struct EndpointPage {
    shell: Shell,
    namespace: String,
    service: String,
    span: Span,
    look: Look,
    progress: Option<Progress>,
    /// The scopes that can be turned off: a prefix (empty for the endpoint alone) and its label.
    scopes: Vec<(String, String)>,
    history: History,
    /// The form for a range between two instants.
    range: RangeForm,
}

/// `GET /endpoints/{id}`
pub async fn endpoint(
    Path(id): Path<String>,
    Query(query): Query<ViewQuery>,
    Query(shown): Query<HistoryQuery>,
    zone: Zone,
    State(web): State<Arc<Web>>,
) -> Result<Page<EndpointPage>, Box<Problem>> {
    let span = query.chosen(&zone, now_ms())?;
    let snapshot = web.look(span).await?;
    let row = find(&snapshot, &id)?;
    let columns = web.columns(&snapshot, row, span).await?;
    let history = History::of(&web, row, Show::of(&shown)).await;
    Ok(Page(EndpointPage::of(&snapshot, row, span, look(&web, &snapshot, row, columns, &zone), history, &zone)))
}

/// `GET /endpoints/{id}/requests`: the rows of the recent requests as live values, for polling.
pub async fn requests(Path(id): Path<String>, Query(shown): Query<HistoryQuery>, State(web): State<Arc<Web>>) -> Response {
    let snapshot = web.snapshot_of(&id);
    let Ok(row) = find(&snapshot, &id) else {
        return super::command::unknown("this endpoint is not known any more");
    };
    let history = History::of(&web, row, Show::of(&shown)).await;
    let again_ms = if row.pods.len() <= FOLLOWED_CLOSELY_MAX { 2000 } else { 10_000 };
    Json(json!({ "c": history.cells().elements(), "again_ms": again_ms })).into_response()
}

/// The endpoint with this id, or a 404 page.
pub fn find<'a>(snapshot: &'a Snapshot, id: &str) -> Result<&'a EndpointRow, Box<Problem>> {
    let words = "No endpoint has this address. It may have been forgotten because its pods are long gone.";
    snapshot.endpoints.iter().find(|row| row.id == id).ok_or_else(|| Problem::not_found(words))
}

impl Web {
    /// Reads the data of an endpoint's charts from disk, if memory does not cover the window.
    pub async fn look_at_chart(&self, id: &str, span: Span) -> Result<(), StoreError> {
        match span.window() {
            Window::Last(window) => self.charts.look_back(&self.state, id, window, now_ms()).await,
            Window::All | Window::Between(_) => Ok(()),
        }
    }

    /// The counts of an endpoint over time, from memory or disk.
    pub async fn columns(&self, snapshot: &Snapshot, row: &EndpointRow, span: Span) -> Result<Columns, Box<Problem>> {
        let unreadable = |error: StoreError| Problem::unreadable(&error, span);
        if let Window::Between(range) = snapshot.window {
            return self.charts.between(&self.state, &row.id, range, snapshot.taken_ms).await.map_err(unreadable);
        }
        self.look_at_chart(&row.id, span).await.map_err(unreadable)?;
        Ok(columns(self, snapshot, row))
    }
}

/// Everything that changes on the page of an endpoint.
pub fn look(web: &Web, snapshot: &Snapshot, row: &EndpointRow, columns: Columns, zone: &Zone) -> Look {
    let lately = lately(web, row, snapshot.taken_ms);
    let rules = web.state.rules.state();
    let entries: Vec<_> = rules.audit().map(Arc::as_ref).filter(|entry| past::is_about(entry, row)).collect();
    let (told, called_by) = (History::told(web, row), web.callers_of(&row.id, snapshot.taken_ms));
    let entries = &entries;
    Look::at(&Sight { row, snapshot, columns: &columns, lately: &lately, called_by: &called_by, entries, told: &told, zone })
}

/// The endpoint's counts over time, from memory or from the cached chart.
fn columns(web: &Web, snapshot: &Snapshot, row: &EndpointRow) -> Columns {
    let window = match snapshot.window {
        Window::Last(window) => window,
        Window::All => std::time::Duration::from_secs(3600),
        Window::Between(range) => std::time::Duration::from_millis(range.length_ms()),
    };
    let Some(series) = web.state.timeline.all().into_iter().find(|series| series.id == row.id) else {
        return Columns::default();
    };
    let long = web.charts.columns(&series, window, web.state.timeline.naming(), snapshot.taken_ms);
    long.unwrap_or_else(|| Columns::of(&series, window, snapshot.taken_ms))
}

/// The recent counts of each of its pods, by pod name.
fn lately(web: &Web, row: &EndpointRow, now_ms: u64) -> HashMap<String, Recent> {
    web.state.fleet.lately((&row.namespace, &row.service), &row.endpoint, now_ms)
}

/// The live frame of the page. If the endpoint is unknown, only the page frame.
pub fn moment(web: &Web, snapshot: &Snapshot, id: &str, zone: &Zone) -> Moment {
    let row = snapshot.endpoints.iter().find(|row| row.id == id);
    let mut cells = row.map(|row| look(web, snapshot, row, columns(web, snapshot, row), zone).cells()).unwrap_or_default();
    let title = row.map_or_else(|| "Endpoint".to_owned(), |row| row.endpoint.to_string());
    cells.show("frame", &FrameCells::of(&title, snapshot).below(Root::ABOVE));
    Moment::of(snapshot.taken_ms, cells, Vec::new())
}

impl EndpointPage {
    fn of(snapshot: &Snapshot, row: &EndpointRow, span: Span, look: Look, history: History, zone: &Zone) -> Self {
        let progress = row.switch.rule().map(|status| Progress::of(status, snapshot.taken_ms, zone));
        let shell =
            Shell::of("endpoint", row.endpoint.to_string(), snapshot).carrying(span).live_unless_range(span).below(Root::ABOVE);
        let (namespace, service, scopes) = (row.namespace.clone(), row.service.clone(), impact::scopes(row));
        let range = RangeForm::of(span, snapshot, zone);
        Self { shell, namespace, service, span, look, progress, scopes, history, range }
    }
}

#[cfg(test)]
mod tests;
