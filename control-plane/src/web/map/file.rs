//! The map as a CSV file: one line per caller and called service.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;

use crate::web::Web;
use crate::web::csv::{self, Cell};
use crate::web::map::choice::MapView;
use crate::web::map::mesh::{Caller, Edge, Mesh};
use crate::web::page::Problem;
use crate::web::view::ViewQuery;

const HEADS: [&str; 9] =
    ["caller_kind", "caller_namespace", "caller", "namespace", "service", "rps", "failures_per_s", "endpoints_off", "window_s"];

/// `GET /map.csv`
pub async fn csv(Query(query): Query<ViewQuery>, State(web): State<Arc<Web>>) -> Result<Response, Box<Problem>> {
    let view = MapView::from(query);
    let snapshot = web.look(view.span).await?;
    let mut edges = view.choose(Mesh::of(&snapshot, &web.called_by(snapshot.taken_ms))).edges;
    edges.sort_by(|a, b| b.rps.total_cmp(&a.rps).then_with(|| (&a.from, &a.to).cmp(&(&b.from, &b.to))));
    Ok(csv::file("map", snapshot.taken_ms, &HEADS, edges.iter().map(|edge| row(edge, snapshot.covered_s))))
}

fn row(edge: &Edge, covered_s: f64) -> Vec<Cell> {
    // A service may be named like an unknown caller; the kind distinguishes them.
    let (kind, namespace, caller) = match &edge.from {
        Caller::Outside => ("outside", Cell::Missing, Cell::Missing),
        Caller::Others => ("others", Cell::Missing, Cell::Missing),
        Caller::Service((namespace, service)) => ("service", Cell::text(namespace), Cell::text(service)),
    };
    vec![
        Cell::text(kind),
        namespace,
        caller,
        Cell::text(&edge.to.0),
        Cell::text(&edge.to.1),
        Cell::Number(format!("{:.3}", edge.rps)),
        Cell::Number(format!("{:.3}", edge.failures_per_s)),
        Cell::Number(edge.off.to_string()),
        Cell::Number(format!("{covered_s:.0}")),
    ]
}
