//! The table of the overview as a CSV file.

use axum::extract::Query;
use axum::response::Response;

use crate::clock::now_ms;
use crate::dashboard::csv;
use crate::dashboard::page::PageError;
use crate::dashboard::query::{OverviewQuery, ViewQuery};
use crate::dashboard::row::OverviewRow;
use crate::dashboard::state::DashboardState;
use crate::dashboard::zone::Zone;
use crate::query::snapshot::EndpointRow;

/// `GET /endpoints.csv`
pub async fn csv(Query(query): Query<ViewQuery>, zone: Zone, state: DashboardState) -> Result<Response, Box<PageError>> {
    let view = OverviewQuery { window: query.chosen(&zone, now_ms())?, ..OverviewQuery::from(query) };
    let snapshot = state.snapshot_over(view.window).await?;
    let mut rows: Vec<(OverviewRow, &EndpointRow)> =
        snapshot.endpoints.iter().map(|endpoint| (OverviewRow::of(endpoint, snapshot.taken_ms), endpoint)).collect();
    rows.retain(|(row, _)| view.shows(row));
    rows.sort_by(|(a, _), (b, _)| view.order.compare(&a.keys, &b.keys));
    Ok(csv::endpoints(&snapshot, rows.into_iter().map(|(_, endpoint)| endpoint)))
}
