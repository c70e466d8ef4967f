//! The map page: who calls which service, as a layered graph and as a table.

use askama::Template;
use axum::extract::Query;
use serde::Serialize;
use std::collections::HashMap;

use crate::dashboard::frame::FrameCells;
use crate::dashboard::live_frame::LiveFrame;
use crate::dashboard::live_values::Cells;
use crate::dashboard::map::cells::{EdgeCells, NodeCells};
use crate::dashboard::map::choice::MapView;
use crate::dashboard::map::draw::Picture;
use crate::dashboard::map::mesh::ServiceMap;
use crate::dashboard::page::{HtmlPage, PageError, PageReader, Shell};
use crate::dashboard::query::ViewQuery;
use crate::dashboard::state::DashboardState;
use crate::query::callers::CalledBy;
use crate::query::snapshot::Snapshot;
use format::number;

pub mod cells;
pub mod choice;
pub mod draw;
mod edge_path;
pub mod file;
mod label;
pub mod layout;
pub mod mesh;

/// The map at one second.
#[derive(Debug)]
pub struct Map {
    taken_ms: u64,
    frame: FrameCells,
    page: MapPageCells,
    picture: Picture,
    names: MapFilters,
}

/// The services and namespaces that the filter offers.
#[derive(Debug)]
struct MapFilters {
    services: Vec<String>,
    namespaces: Vec<String>,
}

impl MapFilters {
    fn of(mesh: &ServiceMap) -> Self {
        let mut namespaces: Vec<String> = mesh.services.keys().map(|(namespace, _)| namespace.clone()).collect();
        // The keys are sorted by namespace first, so equal namespaces are adjacent.
        namespaces.dedup();
        Self { services: mesh.services.keys().map(choice::label).collect(), namespaces }
    }
}

/// The texts around the graph.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MapPageCells {
    sub: String,
    /// `no-pods` or `rows`.
    state: &'static str,
    /// `all` if the filter excludes everything.
    filtered: &'static str,
    /// A hash of the layout; the page reloads when it changes.
    shape: String,
    /// Text alternative of the graph.
    words: String,
    foot: String,
}

impl Map {
    /// Builds the map from a snapshot and the callers of its endpoints.
    pub fn of(snapshot: &Snapshot, called_by: &HashMap<String, CalledBy>, view: &MapView) -> Self {
        let whole = ServiceMap::of(snapshot, called_by);
        let (is_empty, names) = (whole.services.is_empty(), MapFilters::of(&whole));
        let mesh = view.choose(whole);
        let picture = Picture::of(&mesh, view);
        let services = number::plural(mesh.services.len(), "service", "services");
        let left_out = mesh.services.len().saturating_sub(picture.nodes.iter().filter(|node| !node.is_outside).count());
        let worst: Vec<String> =
            picture.edges.iter().filter(|edge| !edge.cells.level.is_empty()).map(|edge| edge.cells.sentence()).collect();
        let page = MapPageCells {
            sub: format!("{services}, {}", number::plural(mesh.edges.len(), "connection", "connections")),
            state: if is_empty { "no-pods" } else { "rows" },
            filtered: if mesh.services.is_empty() && !is_empty { "all" } else { "some" },
            shape: picture.shape(),
            words: match worst.len() {
                0 => format!("{services} and their callers; no call fails. The table below shows the same data."),
                _ => format!("{services} and their callers. {}. The table below shows the same data.", worst.join(". ")),
            },
            foot: match left_out {
                0 => number::plural(mesh.edges.len(), "connection", "connections"),
                some => format!(
                    "{} quieter {} only in the table: find one, or fold by namespace",
                    number::count(some as u64),
                    if some == 1 { "service is" } else { "services are" }
                ),
            },
        };
        Self { taken_ms: snapshot.taken_ms, frame: FrameCells::of("Map", snapshot), page, picture, names }
    }

    /// The live frame of the page, for the stream.
    pub fn live_frame(self) -> LiveFrame {
        let mut cells = Cells::default();
        cells.show("frame", &self.frame);
        cells.show("page", &self.page);
        for node in &self.picture.nodes {
            cells.show(node.cells.id.clone(), &node.cells);
        }
        for edge in &self.picture.edges {
            // A curve exists only if the page drew it; the script can add only the table row.
            cells.show(edge.cells.id.clone(), &EdgeCells { kind: "", ..edge.cells.clone() });
            cells.show(edge.cells.row_id(), &edge.cells);
        }
        let rows = self.picture.edges.iter().map(|edge| (edge.cells.row_id(), Some(edge.keys.clone()))).collect();
        LiveFrame::of(self.taken_ms, cells, rows)
    }
}

/// The template of the map page.
#[derive(Template)]
#[template(path = "map.html")]
pub struct MapPage {
    shell: Shell,
    map: Map,
    view: MapView,
    /// The filter text as typed.
    find: String,
    blank: EdgeCells,
    /// Address of the same table as CSV.
    csv: String,
}

impl MapPage {
    fn of(snapshot: &Snapshot, called_by: &HashMap<String, CalledBy>, query: ViewQuery, reader: PageReader) -> Self {
        let (csv, find) = (query.address("map.csv", ""), query.find.trim().to_owned());
        let view = MapView::from(query);
        Self {
            shell: Shell::of("map", "Map", snapshot, reader).carrying(view.span).live(),
            map: Map::of(snapshot, called_by, &view),
            view,
            find,
            blank: EdgeCells::blank(),
            csv,
        }
    }

    /// A table row per connection, problems first.
    fn rows(&self) -> Vec<&EdgeCells> {
        let mut edges: Vec<&draw::EdgeCurve> = self.map.picture.edges.iter().collect();
        edges.sort_by(|a, b| crate::dashboard::order::SortOrder::Problems.compare(&a.keys, &b.keys));
        edges.into_iter().map(|edge| &edge.cells).collect()
    }

    fn nodes(&self) -> Vec<&NodeCells> {
        self.map.picture.nodes.iter().map(|node| &node.cells).collect()
    }
}

/// `GET /map`
pub async fn map(Query(query): Query<ViewQuery>, state: DashboardState) -> Result<HtmlPage<MapPage>, Box<PageError>> {
    let snapshot = state.snapshot_over(query.span()).await?;
    Ok(HtmlPage(MapPage::of(
        &snapshot,
        &state.reader.callers_by_endpoint(snapshot.taken_ms),
        query,
        PageReader::from(&*state.reader.principal),
    )))
}

#[cfg(test)]
mod tests;
