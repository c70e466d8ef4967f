//! The table of the overview as a CSV file.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;

use crate::clock::now_ms;
use crate::snapshot::EndpointRow;
use crate::web::page::Problem;
use crate::web::row::Row;
use crate::web::view::{View, ViewQuery};
use crate::web::zone::Zone;
use crate::web::{Web, csv};

/// `GET /endpoints.csv`
pub async fn csv(Query(query): Query<ViewQuery>, zone: Zone, State(web): State<Arc<Web>>) -> Result<Response, Box<Problem>> {
    let view = View { window: query.chosen(&zone, now_ms())?, ..View::from(query) };
    let snapshot = web.look(view.window).await?;
    let mut rows: Vec<(Row, &EndpointRow)> =
        snapshot.endpoints.iter().map(|endpoint| (Row::of(endpoint, snapshot.taken_ms), endpoint)).collect();
    rows.retain(|(row, _)| view.shows(row));
    rows.sort_by(|(a, _), (b, _)| view.order.compare(&a.keys, &b.keys));
    Ok(csv::endpoints(&snapshot, rows.into_iter().map(|(_, endpoint)| endpoint)))
}
