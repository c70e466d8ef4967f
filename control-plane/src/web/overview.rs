//! The overview page: every endpoint of the mesh with its metrics and its switch.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Serialize;

use crate::clock::now_ms;
use crate::snapshot::{PodState, Snapshot};
use crate::web::Web;
use crate::web::attention::{self, AttentionCells, ITEMS_MAX};
use crate::web::cells::Cells;
use crate::web::first::FirstMinute;
use crate::web::format;
use crate::web::frame::FrameCells;
use crate::web::judge::Show;
use crate::web::order::{By, Column, ColumnHead, Direction, NamedOrder, Order, heads};
use crate::web::overview::chosen::{ALL_ROWS_MAX, CHOSEN};
use crate::web::page::{Page, Problem, Shell};
use crate::web::range::RangeForm;
use crate::web::row::{EndpointCells, Row};
use crate::web::tiles::Tiles;
use crate::web::view::{Span, View, ViewQuery};
use crate::web::zone::Zone;

pub mod chosen;
pub mod file;

/// The sort key of the request rate.
pub const RPS: By = By::Number(0);
/// The sort key of the 95th percentile.
pub const P95: By = By::Number(4);

/// The columns of the table. The sparkline cannot be sorted by.
pub const COLUMNS: [Column; 14] = [
    column(Some(By::Name), "endpoint", "Endpoint", ""),
    column(None, "traffic", "Traffic", ""),
    column(Some(RPS), "rps", "Req/s", "r"),
    column(Some(By::Number(1)), "hits", "Hits", "r opt"),
    column(Some(By::Number(2)), "avg", "Avg", "r opt"),
    column(Some(By::Number(3)), "p50", "p50", "r"),
    column(Some(P95), "p95", "p95", "r"),
    column(Some(By::Number(5)), "p99", "p99", "r"),
    column(Some(By::Number(6)), "5xx", "5xx", "r"),
    column(Some(By::Number(7)), "4xx", "4xx", "r opt"),
    column(Some(By::Number(8)), "payload", "Payload in → out", "r opt"),
    column(Some(By::Number(9)), "seen", "Last seen", "r"),
    column(Some(By::Number(10)), "serving", "Serving", ""),
    column(Some(By::Number(11)), "state", "State", ""),
];

/// The orders of the toolbar.
pub const ORDERS: [NamedOrder; 4] = [
    (Order::Problems, "problems", "Problems first"),
    (Order::By(RPS, Direction::Down), "busiest", "Busiest first"),
    (Order::By(P95, Direction::Down), "slowest", "Slowest first"),
    (Order::By(By::Name, Direction::Up), "name", "By name"),
];

/// Rows in the initial HTML: a few screens, which a browser lays out without delay. The script adds others once it is
/// live; if there are more than it shows, the order and the filter choose.
const ROWS_MAX: usize = 40;

const fn column(by: Option<By>, name: &'static str, title: &'static str, class: &'static str) -> Column {
    Column { by, name, title, class }
}

/// The contents of the overview, the same for all viewers of one window.
#[derive(Debug)]
pub struct Overview {
    /// When the snapshot was taken, milliseconds since the Unix epoch.
    pub taken_ms: u64,
    /// The title and the counts of the navigation.
    pub frame: FrameCells,
    /// The texts around the table.
    pub page: PageCells,
    /// The tiles.
    pub tiles: Tiles,
    /// The items of "Needs attention".
    pub attention: [AttentionCells; ITEMS_MAX],
    /// A row for each endpoint, unsorted.
    pub rows: Vec<Row>,
}

/// The counts and sentences around the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PageCells {
    /// The line below the title.
    pub sub: String,
    /// `no-pods`, `no-requests` or `rows`: what the page shows in place of the table.
    pub state: &'static str,
    /// The window's name.
    pub window: &'static str,
    /// The number of endpoints, below the table.
    pub foot: String,
    /// The number of connected sidecars, shown while there are no requests.
    pub connected: String,
    /// `all` or `chosen`: which rows are sent. When it changes, the page reloads.
    pub shape: &'static str,
    /// The number of endpoints in each filter.
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
        let (now_ms, carried) = (snapshot.taken_ms, span.carried());
        let rows: Vec<Row> = snapshot.endpoints.iter().map(|row| Row::of(row, now_ms).carrying(&carried)).collect();
        let verdicts: Vec<_> = rows.iter().map(|row| row.verdict).collect();
        Self {
            taken_ms: now_ms,
            frame: FrameCells::of("", snapshot),
            page: PageCells::of(snapshot, &rows, span),
            tiles: Tiles::of(snapshot, &verdicts),
            attention: attention::items(snapshot, &rows),
            rows,
        }
    }

    /// The rows in an order.
    pub fn ordered(&self, order: Order) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by(|a, b| order.compare(&a.keys, &b.keys));
        rows
    }

    /// The names of all services, sorted.
    pub fn services(&self) -> Vec<&str> {
        services(&self.rows)
    }

    /// All live values of the page.
    pub fn cells(&self) -> Cells {
        let mut cells = Cells::default();
        cells.show("frame", &self.frame);
        cells.show("page", &self.page);
        cells.show("tiles", &self.tiles);
        for (at, item) in self.attention.iter().enumerate() {
            cells.show(format!("attention-{at}"), item);
        }
        for row in &self.rows {
            cells.show(row.id.clone(), &row.cells);
        }
        cells
    }
}

fn services(rows: &[Row]) -> Vec<&str> {
    let mut services: Vec<&str> = rows.iter().map(|row| &*row.cells.service).collect();
    services.sort_unstable();
    services.dedup();
    services
}

impl PageCells {
    fn of(snapshot: &Snapshot, rows: &[Row], span: Span) -> Self {
        let count = |state: PodState| snapshot.pods.iter().filter(|pod| pod.state == state).count();
        let (reporting, there) = (count(PodState::Reporting), snapshot.pods.len() - count(PodState::Gone));
        let endpoints = format::plural(rows.len(), "endpoint", "endpoints");
        let services = format::plural(services(rows).len(), "service", "services");
        let pods = format::plural(there, "pod", "pods");
        Self {
            sub: format!("{endpoints} in {services}, telemetry from {reporting} of {pods}"),
            state: match (there, rows.len()) {
                (0, 0) => "no-pods",
                (_, 0) => "no-requests",
                _ => "rows",
            },
            window: span.title(),
            shape: if rows.len() > ALL_ROWS_MAX { CHOSEN } else { "all" },
            foot: endpoints,
            connected: match reporting {
                1 => "1 sidecar is connected.".into(),
                _ => format!("{} sidecars are connected.", format::count(reporting as u64)),
            },
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

/// The template of the overview page.
#[derive(Template)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    shell: Shell,
    overview: Overview,
    view: View,
    columns: Vec<ColumnHead>,
    /// The commands that a new user pastes.
    first: FirstMinute,
    /// A blank row, from which the script makes the row of a new endpoint.
    blank: EndpointCells,
    /// How many rows pass the filter.
    passing: usize,
    /// The address of the same table as a CSV file.
    csv: String,
    /// The form for a range between two instants.
    range: RangeForm,
}

/// `GET /`
pub async fn overview(
    Query(query): Query<ViewQuery>,
    headers: HeaderMap,
    zone: Zone,
    State(web): State<Arc<Web>>,
) -> Result<Page<OverviewPage>, Box<Problem>> {
    let csv = query.address("endpoints.csv", "");
    let view = View { window: query.chosen(&zone, now_ms())?, ..View::from(query) };
    let snapshot = web.look(view.window).await?;
    let overview = Overview::of(&snapshot, view.window);
    let range = RangeForm::of(view.window, &snapshot, &zone);
    Ok(Page(OverviewPage::new(web.first_minute(&headers), &snapshot, overview, view, csv, range)))
}

impl OverviewPage {
    fn new(first: FirstMinute, snapshot: &Snapshot, overview: Overview, view: View, csv: String, range: RangeForm) -> Self {
        Self {
            shell: Shell::of("overview", "", snapshot).carrying(view.window).live_unless_range(view.window),
            columns: heads(&COLUMNS, view.order),
            first,
            blank: EndpointCells::blank(),
            passing: overview.rows.iter().filter(|row| view.shows(row)).count(),
            overview,
            csv,
            range,
            view,
        }
    }

    /// The first rows that pass the filter, in the requested order.
    fn rows(&self) -> Vec<&Row> {
        let rows = self.overview.ordered(self.view.order).into_iter();
        rows.filter(|row| self.view.shows(row)).take(ROWS_MAX).collect()
    }

    /// Whether the server applies the filter.
    fn is_chosen(&self) -> bool {
        self.overview.page.shape == CHOSEN
    }

    /// Whether the filter excludes every row that exists.
    fn shows_nothing(&self) -> bool {
        self.passing == 0 && !self.overview.rows.is_empty()
    }

    /// How many of the rows that pass the filter are shown.
    fn shown(&self) -> usize {
        self.passing.min(ROWS_MAX)
    }
}

#[cfg(test)]
mod tests;
