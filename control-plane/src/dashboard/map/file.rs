//! The map as a CSV file: one line per caller and called service.

use axum::extract::Query;
use axum::response::Response;

use crate::dashboard::csv;
use crate::dashboard::map::choice::MapView;
use crate::dashboard::map::mesh::{MapCaller, MapEdge, ServiceMap};
use crate::dashboard::page::PageError;
use crate::dashboard::query::ViewQuery;
use crate::dashboard::state::DashboardState;
use format::csv::{CsvCell, text};

const HEADS: [&str; 9] =
    ["caller_kind", "caller_namespace", "caller", "namespace", "service", "rps", "failures_per_s", "endpoints_off", "window_s"];

/// `GET /map.csv`
pub async fn csv(Query(query): Query<ViewQuery>, state: DashboardState) -> Result<Response, Box<PageError>> {
    let view = MapView::from(query);
    let snapshot = state.snapshot_over(view.span).await?;
    let mut edges = view.choose(ServiceMap::of(&snapshot, &state.reader.callers_by_endpoint(snapshot.taken_ms))).edges;
    edges.sort_by(|a, b| b.rps.total_cmp(&a.rps).then_with(|| (&a.from, &a.to).cmp(&(&b.from, &b.to))));
    let text = text(&HEADS, edges.iter().map(|edge| row(edge, snapshot.covered_s)));
    Ok(csv::file("map", snapshot.taken_ms, text))
}

fn row(edge: &MapEdge, covered_s: f64) -> Vec<CsvCell> {
    // A service may be named like an unknown caller; the kind distinguishes them.
    let (kind, namespace, caller) = match &edge.from {
        MapCaller::Outside => ("outside", CsvCell::Missing, CsvCell::Missing),
        MapCaller::Others => ("others", CsvCell::Missing, CsvCell::Missing),
        MapCaller::Service((namespace, service)) => ("service", CsvCell::text(namespace), CsvCell::text(service)),
    };
    vec![
        CsvCell::text(kind),
        namespace,
        caller,
        CsvCell::text(&edge.to.0),
        CsvCell::text(&edge.to.1),
        CsvCell::Number(format!("{:.3}", edge.rps)),
        CsvCell::Number(format!("{:.3}", edge.failures_per_s)),
        CsvCell::Number(edge.off.to_string()),
        CsvCell::Number(format!("{covered_s:.0}")),
    ]
}
