//! The overview page: every endpoint of the mesh with its metrics and its switch.

use askama::Template;
use axum::extract::Query;
use axum::http::HeaderMap;
use serde::Serialize;

use crate::clock::now_ms;
use crate::dashboard::attention;
use crate::dashboard::attention::ITEMS_MAX;
use crate::dashboard::attention_cells::AttentionCells;
use crate::dashboard::frame::FrameCells;
use crate::dashboard::health::HealthFilter;
use crate::dashboard::live_frame::LiveFrame;
use crate::dashboard::live_values::Cells;
use crate::dashboard::notices::strip;
use crate::dashboard::notices::strip::NoticeStrip;
use crate::dashboard::onboarding::{self, OnboardingTexts};
use crate::dashboard::order::{ColumnHead, SortOrder, heads};
use crate::dashboard::overview::columns::COLUMNS;
use crate::dashboard::page::{HtmlPage, PageError, PageReader, Shell};
use crate::dashboard::query::{DisplayWindow, OverviewQuery, ViewQuery};
use crate::dashboard::range::RangeForm;
use crate::dashboard::root::Root;
use crate::dashboard::row::{EndpointCells, OverviewRow};
use crate::dashboard::state::DashboardState;
use crate::dashboard::tiles::Tiles;
use crate::dashboard::topic::ALL_ROWS_MAX;
use crate::dashboard::zone::Zone;
use crate::model::pod::PodState;
use crate::query::snapshot::Snapshot;
use format::number;

pub mod columns;
pub mod file;

/// Rows in the initial HTML: a few screens, which a browser lays out without delay. The script adds others once it is
/// live; if there are more than it shows, the order and the filter choose.
const ROWS_MAX: usize = 40;

/// Rows that are sent if the server applies the filter: as many as the script shows at a time.
const FILTERED_ROWS_MAX: usize = 200;

/// The shape of a page whose rows the server filters.
const FILTERED: &str = "chosen";

/// The contents of the overview, the same for all viewers of one window.
#[derive(Debug)]
pub struct Overview {
    /// When the snapshot was taken, milliseconds since the Unix epoch.
    pub taken_ms: u64,
    /// The title and the counts of the navigation.
    pub frame: FrameCells,
    /// The texts around the table.
    pub page: OverviewPageCells,
    /// The tiles.
    pub tiles: Tiles,
    /// The notices that fire.
    pub strip: NoticeStrip,
    /// The items of "Needs attention".
    pub attention: [AttentionCells; ITEMS_MAX],
    /// A row for each endpoint, unsorted.
    pub rows: Vec<OverviewRow>,
}

/// The counts and sentences around the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OverviewPageCells {
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
    pub shows: OverviewFilterCells,
}

/// How many endpoints each filter shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OverviewFilterCells {
    all: String,
    failing: String,
    slow: String,
    waiting: String,
    off: String,
    quiet: String,
}

impl Overview {
    /// The overview of a snapshot.
    pub fn of(snapshot: &Snapshot, span: DisplayWindow) -> Self {
        let (now_ms, carried) = (snapshot.taken_ms, span.carried());
        let rows: Vec<OverviewRow> =
            snapshot.endpoints.iter().map(|row| OverviewRow::of(row, now_ms).carrying(&carried)).collect();
        let verdicts: Vec<_> = rows.iter().map(|row| row.verdict).collect();
        Self {
            taken_ms: now_ms,
            frame: FrameCells::of("", snapshot),
            page: OverviewPageCells::of(snapshot, &rows, span),
            tiles: Tiles::of(snapshot, &verdicts),
            strip: strip::of_all(snapshot, Root::BESIDE),
            attention: attention::items(snapshot, &rows),
            rows,
        }
    }

    /// The rows in an order.
    pub fn ordered(&self, order: SortOrder) -> Vec<&OverviewRow> {
        let mut rows: Vec<&OverviewRow> = self.rows.iter().collect();
        rows.sort_by(|a, b| order.compare(&a.keys, &b.keys));
        rows
    }

    /// The names of all services, sorted.
    pub fn services(&self) -> Vec<&str> {
        services(&self.rows)
    }

    /// The live frame. On a large mesh, it has the first rows that pass the filter, in the requested order.
    pub fn live_frame(mut self, view: &OverviewQuery) -> LiveFrame {
        if self.page.shape == FILTERED {
            self.rows.retain(|row| view.shows(row));
            self.rows.sort_by(|a, b| view.order.compare(&a.keys, &b.keys));
            let passing = self.rows.len();
            self.rows.truncate(FILTERED_ROWS_MAX);
            let shown = self.rows.len();
            if shown < passing {
                let all = number::plural(passing, "endpoint", "endpoints");
                self.page.foot = format!("Showing {shown} of {all}: filter to see the others");
            }
        }
        let cells = self.cells();
        let rows = self.rows.into_iter().map(|row| (row.id, Some(row.keys))).collect();
        LiveFrame::of(self.taken_ms, cells, rows)
    }

    /// All live values of the page.
    pub fn cells(&self) -> Cells {
        let mut cells = Cells::default();
        cells.show("frame", &self.frame);
        cells.show("page", &self.page);
        cells.show("tiles", &self.tiles);
        cells.show_each("notice", &self.strip);
        cells.show_each("attention", &self.attention);
        for row in &self.rows {
            cells.show(row.id.clone(), &row.cells);
        }
        cells
    }
}

fn services(rows: &[OverviewRow]) -> Vec<&str> {
    let mut services: Vec<&str> = rows.iter().map(|row| &*row.cells.service).collect();
    services.sort_unstable();
    services.dedup();
    services
}

impl OverviewPageCells {
    fn of(snapshot: &Snapshot, rows: &[OverviewRow], span: DisplayWindow) -> Self {
        let count = |state: PodState| snapshot.pods.iter().filter(|pod| pod.state == state).count();
        let (reporting, there) = (count(PodState::Reporting), snapshot.pods.len() - count(PodState::Gone));
        let endpoints = number::plural(rows.len(), "endpoint", "endpoints");
        let services = number::plural(services(rows).len(), "service", "services");
        let pods = number::plural(there, "pod", "pods");
        Self {
            sub: format!("{endpoints} in {services}, telemetry from {reporting} of {pods}"),
            state: match (there, rows.len()) {
                (0, 0) => "no-pods",
                (_, 0) => "no-requests",
                _ => "rows",
            },
            window: span.title(),
            shape: if rows.len() > ALL_ROWS_MAX { FILTERED } else { "all" },
            foot: endpoints,
            connected: match reporting {
                1 => "1 sidecar is connected.".into(),
                _ => format!("{} sidecars are connected.", number::count(reporting as u64)),
            },
            shows: OverviewFilterCells::of(rows),
        }
    }
}

impl OverviewFilterCells {
    fn of(rows: &[OverviewRow]) -> Self {
        let members = |show: HealthFilter| {
            let is_member = |row: &&OverviewRow| row.cells.shows.split(' ').any(|name| name == show.name());
            number::count(rows.iter().filter(is_member).count() as u64)
        };
        Self {
            all: number::count(rows.len() as u64),
            failing: members(HealthFilter::Failing),
            slow: members(HealthFilter::Slow),
            waiting: members(HealthFilter::Waiting),
            off: members(HealthFilter::Off),
            quiet: members(HealthFilter::Quiet),
        }
    }

    /// How many endpoints a filter shows.
    pub fn count(&self, show: &HealthFilter) -> &str {
        match show {
            HealthFilter::All => &self.all,
            HealthFilter::Failing => &self.failing,
            HealthFilter::Slow => &self.slow,
            HealthFilter::Waiting => &self.waiting,
            HealthFilter::Off => &self.off,
            HealthFilter::Quiet => &self.quiet,
        }
    }
}

/// The template of the overview page.
#[derive(Template)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    shell: Shell,
    overview: Overview,
    view: OverviewQuery,
    columns: Vec<ColumnHead>,
    /// The commands that a new user pastes.
    first: OnboardingTexts,
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
    state: DashboardState,
) -> Result<HtmlPage<OverviewPage>, Box<PageError>> {
    let csv = query.address("endpoints.csv", "");
    let view = OverviewQuery { window: query.chosen(&zone, now_ms())?, ..OverviewQuery::from(query) };
    let snapshot = state.snapshot_over(view.window).await?;
    let overview = Overview::of(&snapshot, view.window);
    let range = RangeForm::of(view.window, &snapshot, &zone);
    Ok(HtmlPage(OverviewPage::new(
        onboarding::first_minute(state.reader.stream_address(), &headers),
        &snapshot,
        overview,
        view,
        csv,
        range,
        PageReader::from(&*state.reader.principal),
    )))
}

impl OverviewPage {
    fn new(
        first: OnboardingTexts,
        snapshot: &Snapshot,
        overview: Overview,
        view: OverviewQuery,
        csv: String,
        range: RangeForm,
        reader: PageReader,
    ) -> Self {
        Self {
            shell: Shell::of("overview", "", snapshot, reader).carrying(view.window).live_unless_range(view.window),
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
    fn rows(&self) -> Vec<&OverviewRow> {
        let rows = self.overview.ordered(self.view.order).into_iter();
        rows.filter(|row| self.view.shows(row)).take(ROWS_MAX).collect()
    }

    /// Whether the server applies the filter.
    fn is_chosen(&self) -> bool {
        self.overview.page.shape == FILTERED
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
