//! The pods page: which pods report, how old their data is, and how close they are to their limits.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Serialize;

use crate::dashboard::csv;
use crate::dashboard::frame::FrameCells;
use crate::dashboard::heading::HeadingCells;
use crate::dashboard::live_frame::LiveFrame;
use crate::dashboard::live_values::Cells;
use crate::dashboard::notices::strip;
use crate::dashboard::notices::strip::NoticeStrip;
use crate::dashboard::order::{ColumnHead, SortKeys, heads};
use crate::dashboard::page::{HtmlPage, PageReader, Shell};
use crate::dashboard::pods::condition::Condition;
use crate::dashboard::pods::group::Grouping;
use crate::dashboard::pods::row::PodCells;
use crate::dashboard::pods::tiles::PodTiles;
use crate::dashboard::pods::view::{COLUMNS, PodsView};
use crate::dashboard::query::ViewQuery;
use crate::dashboard::replicas;
use crate::dashboard::replicas::ControlPlanes;
use crate::dashboard::root::Root;
use crate::dashboard::state::DashboardState;
use crate::query::snapshot::{PodRow, Snapshot};
use format::number;

pub mod condition;
pub mod group;
pub mod row;
pub mod tiles;
pub mod view;

/// Pods on the page. If there are more, the filter and the order choose; the CSV file has all.
const ROWS_MAX: usize = 200;

/// The contents of the pods page.
#[derive(Debug)]
pub struct PodsTable {
    taken_ms: u64,
    frame: FrameCells,
    page: PodsPageCells,
    tiles: PodTiles,
    control_planes: ControlPlanes,
    strip: NoticeStrip,
    groups: Vec<Group>,
}

/// Pods under one heading.
#[derive(Debug)]
struct Group {
    heading: Option<HeadingCells>,
    pods: Vec<PodCells>,
}

/// The key of a pod's group, the pod, and its sort keys.
type Grouped<'a> = (String, &'a PodRow, SortKeys);

/// The counts and sentences around the table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PodsPageCells {
    sub: String,
    /// `no-pods` or `rows`: what the page shows.
    state: &'static str,
    /// `all` if the filter excludes every pod, else `some`.
    filtered: &'static str,
    foot: String,
    shows: PodFilterCells,
}

/// How many pods each filter shows.
#[derive(Debug, Clone, Default, Serialize)]
struct PodFilterCells {
    all: String,
    silent: String,
    behind: String,
    full: String,
}

impl PodsTable {
    /// The pods of a snapshot, filtered, grouped and sorted.
    pub fn of(snapshot: &Snapshot, view: &PodsView) -> Self {
        let fleet = condition::FleetNorms::of(snapshot);
        let chosen: Vec<&PodRow> = chosen(snapshot, view, &fleet).collect();
        let mut rows: Vec<Grouped<'_>> = chosen.iter().map(|pod| (view.grouping.of(pod), *pod, row::keys(pod, &fleet))).collect();
        rows.sort_by(|(one, _, a), (other, _, b)| one.cmp(other).then_with(|| view.order.compare(a, b)));
        let is_alike = |(one, ..): &Grouped<'_>, (other, ..): &Grouped<'_>| one == other;
        // A heading counts all pods of its group, even if not all of them are on the page.
        let sizes: Vec<usize> = rows.chunk_by(is_alike).map(<[_]>::len).collect();
        rows.truncate(ROWS_MAX);
        let group = |(rows, size): (&[Grouped<'_>], usize)| Group {
            heading: view.grouping.heading(&rows[0].0, size),
            pods: rows.iter().map(|(_, pod, _)| PodCells::of(pod, &fleet)).collect(),
        };
        Self {
            taken_ms: snapshot.taken_ms,
            frame: FrameCells::of("Pods", snapshot),
            page: PodsPageCells::of(snapshot, &fleet, chosen.len()),
            tiles: PodTiles::of(snapshot, &fleet),
            control_planes: replicas::list(snapshot),
            strip: strip::of_all(snapshot, Root::BESIDE),
            groups: rows.chunk_by(is_alike).zip(sizes).map(group).collect(),
        }
    }

    /// The live frame of the page.
    pub fn live_frame(self) -> LiveFrame {
        let mut cells = Cells::default();
        cells.show("frame", &self.frame);
        cells.show("page", &self.page);
        cells.show("tiles", &self.tiles);
        cells.show_each("control-plane", &self.control_planes);
        cells.show_each("notice", &self.strip);
        let mut rows = Vec::new();
        for Group { heading, pods } in self.groups {
            if let Some(heading) = heading {
                cells.show(heading.id.clone(), &heading);
                rows.push((heading.id, None));
            }
            for pod in pods {
                cells.show(pod.id.clone(), &pod);
                rows.push((pod.id, None));
            }
        }
        LiveFrame::of(self.taken_ms, cells, rows)
    }
}

/// The pods that pass the filter.
fn chosen<'a>(snapshot: &'a Snapshot, view: &'a PodsView, fleet: &'a condition::FleetNorms) -> impl Iterator<Item = &'a PodRow> {
    let passes = |pod: &&PodRow| {
        let workload = &pod.workload;
        let names = [&workload.pod, &workload.service, &workload.namespace, &workload.node];
        (view.show.is_none_or(|condition| fleet.is(pod, condition)))
            && names.iter().any(|name| name.to_lowercase().contains(&view.find))
    };
    snapshot.pods.iter().filter(passes)
}

impl PodsPageCells {
    fn of(snapshot: &Snapshot, fleet: &condition::FleetNorms, chosen: usize) -> Self {
        let distinct = |part: fn(&PodRow) -> &str| {
            let mut parts: Vec<&str> = snapshot.pods.iter().map(part).filter(|part| !part.is_empty()).collect();
            parts.sort_unstable();
            parts.dedup();
            parts.len()
        };
        let sidecars = number::plural(snapshot.pods.len(), "sidecar", "sidecars");
        let services = number::plural(distinct(|pod| &pod.workload.service), "service", "services");
        let nodes = match distinct(|pod| &pod.workload.node) {
            0 => String::new(),
            nodes => format!(" on {}", number::plural(nodes, "node", "nodes")),
        };
        let members = |condition| number::count(snapshot.pods.iter().filter(|pod| fleet.is(pod, condition)).count() as u64);
        Self {
            sub: format!("{sidecars} in {services}{nodes}"),
            state: if snapshot.pods.is_empty() { "no-pods" } else { "rows" },
            filtered: if chosen == 0 && !snapshot.pods.is_empty() { "all" } else { "some" },
            foot: match chosen {
                _ if chosen > ROWS_MAX => {
                    format!("Showing {ROWS_MAX} of {}: filter to see the others", number::plural(chosen, "pod", "pods"))
                }
                _ => number::plural(chosen, "pod", "pods"),
            },
            shows: PodFilterCells {
                all: number::count(snapshot.pods.len() as u64),
                silent: members(Condition::Silent),
                behind: members(Condition::Behind),
                full: members(Condition::Full),
            },
        }
    }
}

/// The template of the pods page.
#[derive(Template)]
#[template(path = "pods.html")]
pub struct PodsPage {
    shell: Shell,
    pods: PodsTable,
    show: &'static str,
    find: String,
    grouping: Grouping,
    columns: Vec<ColumnHead>,
    blank: PodCells,
    blank_heading: HeadingCells,
    csv: String,
    /// The window that links to other pages carry.
    window: &'static str,
}

impl PodsPage {
    fn of(snapshot: &Snapshot, query: ViewQuery, reader: PageReader) -> Self {
        let (find, csv, span) = (query.find.trim().to_owned(), query.address("pods.csv", ""), query.span());
        let view = PodsView::from(query);
        let show = view.show.map_or("all", Condition::name);
        Self {
            shell: Shell::of("pods", "Pods", snapshot, reader).carrying(span).live(),
            window: span.name(),
            pods: PodsTable::of(snapshot, &view),
            show,
            csv,
            find,
            grouping: view.grouping,
            columns: heads(&COLUMNS, view.order),
            blank: PodCells::blank(),
            blank_heading: HeadingCells::blank(),
        }
    }

    fn is_shown(&self, show: &str) -> bool {
        self.show == show
    }

    /// How many pods a filter shows.
    fn count(&self, show: &str) -> &str {
        let shows = &self.pods.page.shows;
        match show {
            "silent" => &shows.silent,
            "behind" => &shows.behind,
            "full" => &shows.full,
            _ => &shows.all,
        }
    }
}

/// `GET /pods`
pub async fn pods(Query(query): Query<ViewQuery>, state: DashboardState) -> HtmlPage<PodsPage> {
    HtmlPage(PodsPage::of(&state.snapshot(), query, PageReader::from(&*state.reader.principal)))
}

/// `GET /pods.csv`
pub async fn csv(Query(query): Query<ViewQuery>, state: DashboardState) -> Response {
    let (snapshot, view) = (state.snapshot(), PodsView::from(query));
    let fleet = condition::FleetNorms::of(&snapshot);
    csv::pods(&snapshot, chosen(&snapshot, &view, &fleet))
}

#[cfg(test)]
mod tests;
