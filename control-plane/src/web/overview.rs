//! The overview: every endpoint of the mesh, with its switch.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Serialize;

use crate::snapshot::{PodState, Snapshot};
use crate::web::Web;
use crate::web::attention::{self, AttentionCells, ITEMS_MAX};
use crate::web::format;
use crate::web::judge::Show;
use crate::web::order::{Column, Order};
use crate::web::page::{Page, Shell};
use crate::web::row::{EndpointCells, Row};
use crate::web::tiles::Tiles;
use crate::web::view::{Span, View, ViewQuery};

/// The numbers and words of the overview, for everybody who looks at the same window.
#[derive(Debug)]
pub struct Overview {
    /// When they were true, milliseconds since the Unix epoch.
    pub taken_ms: u64,
    /// What stands around the table.
    pub frame: FrameCells,
    /// The tiles.
    pub tiles: Tiles,
    /// "Needs attention".
    pub attention: [AttentionCells; ITEMS_MAX],
    /// A row for each endpoint, in no order.
    pub rows: Vec<Row>,
}

/// The counts and sentences around the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FrameCells {
    /// Below the title.
    pub sub: String,
    /// `no-pods`, `no-requests` or `rows`: what the page shows in the table's place.
    pub state: &'static str,
    /// The window's name.
    pub window: &'static str,
    /// How many endpoints there are, below the table.
    pub foot: String,
    /// How many sidecars are connected, where there are no requests yet.
    pub connected: String,
    /// Endpoints.
    pub endpoints: String,
    /// Pods.
    pub pods: String,
    /// Audit entries.
    pub audit: String,
    /// Members of each filter.
    pub shows: ShowCells,
}

/// How many endpoints each filter shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ShowCells {
    all: String,
    failing: String,
    slow: String,
    waiting: String,
    off: String,
    quiet: String,
}

impl Overview {
    /// The overview of a snapshot.
    pub fn of(snapshot: &Snapshot, span: Span) -> Self {
        let now_ms = snapshot.taken_ms;
        let rows: Vec<Row> = snapshot.endpoints.iter().map(|row| Row::of(row, now_ms)).collect();
        let verdicts: Vec<_> = rows.iter().map(|row| row.verdict).collect();
        Self {
            taken_ms: now_ms,
            frame: FrameCells::of(snapshot, &rows, span),
            tiles: Tiles::of(snapshot, &verdicts),
            attention: attention::items(&snapshot.endpoints, &rows, now_ms),
            rows,
        }
    }

    /// The rows' places in an order.
    pub fn ordered(&self, order: Order) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by(|a, b| order.compare(&a.keys, &b.keys));
        rows
    }

    /// The services there are, by name.
    pub fn services(&self) -> Vec<&str> {
        let mut services: Vec<&str> = self.rows.iter().map(|row| &*row.cells.service).collect();
        services.sort_unstable();
        services.dedup();
        services
    }
}

impl FrameCells {
    fn of(snapshot: &Snapshot, rows: &[Row], span: Span) -> Self {
        let mut services: Vec<&str> = rows.iter().map(|row| &*row.cells.service).collect();
        services.sort_unstable();
        services.dedup();
        let count = |state: PodState| snapshot.pods.iter().filter(|pod| pod.state == state).count();
        let (reporting, there) = (count(PodState::Reporting), snapshot.pods.len() - count(PodState::Gone));
        let endpoints = format::plural(rows.len(), "endpoint", "endpoints");
        let pods = format::plural(there, "pod", "pods");
        let state = match (there, rows.len()) {
            (0, 0) => "no-pods",
            (_, 0) => "no-requests",
            _ => "rows",
        };
        Self {
            sub: format!(
                "{endpoints} in {}, telemetry from {reporting} of {pods}",
                format::plural(services.len(), "service", "services")
            ),
            state,
            window: span.title(),
            foot: endpoints,
            connected: match reporting {
                1 => "1 sidecar is connected.".into(),
                _ => format!("{} sidecars are connected.", format::count(reporting as u64)),
            },
            endpoints: format::count(rows.len() as u64),
            pods: format::count(there as u64),
            audit: format::count(snapshot.audit_entries),
            shows: ShowCells::of(rows),
        }
    }
}

impl ShowCells {
    fn of(rows: &[Row]) -> Self {
        let members = |show: Show| {
            let is_member = |row: &&Row| row.cells.shows.split(' ').any(|name| name == show.name());
            format::count(rows.iter().filter(is_member).count() as u64)
        };
        Self {
            all: format::count(rows.len() as u64),
            failing: members(Show::Failing),
            slow: members(Show::Slow),
            waiting: members(Show::Waiting),
            off: members(Show::Off),
            quiet: members(Show::Quiet),
        }
    }

    /// How many endpoints a filter shows.
    pub fn count(&self, show: &Show) -> &str {
        match show {
            Show::All => &self.all,
            Show::Failing => &self.failing,
            Show::Slow => &self.slow,
            Show::Waiting => &self.waiting,
            Show::Off => &self.off,
            Show::Quiet => &self.quiet,
        }
    }
}

/// The page.
#[derive(Template)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    shell: Shell,
    overview: Overview,
    view: View,
    columns: Vec<ColumnHead>,
    /// Where sidecars report to: what a newcomer has to paste.
    control_plane: String,
    /// From which a script makes the row of an endpoint that it has not seen before.
    blank: EndpointCells,
    hidden: usize,
}

/// The head of a column.
struct ColumnHead {
    name: &'static str,
    title: &'static str,
    class: &'static str,
    /// `aria-sort` and the order that a click asks for, if the column can be sorted by.
    sort: Option<(&'static str, String)>,
}

/// `GET /`
pub async fn overview(Query(query): Query<ViewQuery>, headers: HeaderMap, State(web): State<Arc<Web>>) -> Page<OverviewPage> {
    let view = View::from(query);
    let snapshot = web.snapshot(view.window);
    let overview = Overview::of(&snapshot, view.window);
    Page(OverviewPage::new(web.control_plane(&headers), &snapshot, overview, view))
}

impl OverviewPage {
    fn new(control_plane: String, snapshot: &Snapshot, overview: Overview, view: View) -> Self {
        Self {
            shell: Shell::of("overview", "Overview", snapshot).live(),
            columns: heads(view.order),
            control_plane,
            blank: EndpointCells::blank(),
            hidden: overview.rows.iter().filter(|row| !view.shows(row)).count(),
            overview,
            view,
        }
    }

    /// The rows in the order asked for.
    fn rows(&self) -> Vec<&Row> {
        self.overview.ordered(self.view.order)
    }

    /// Whether the filter leaves nothing of what there is.
    fn shows_nothing(&self) -> bool {
        self.hidden > 0 && self.hidden == self.overview.rows.len()
    }
}

/// The heads of the columns under an order.
fn heads(order: Order) -> Vec<ColumnHead> {
    let sort = |column: Column, name: &str| (order.aria(column), format!("{name}:{}", order.next(column)));
    Column::EACH
        .iter()
        .map(|(column, name, title, class)| ColumnHead { name, title, class, sort: column.map(|column| sort(column, name)) })
        .collect()
}

#[cfg(test)]
mod tests;
