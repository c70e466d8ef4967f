//! The tables of an endpoint's page as CSV files.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use mesh::golden::GoldenMetrics;

use crate::clock::now_ms;
use crate::dashboard::chart::columns::Columns;
use crate::dashboard::csv;
use crate::dashboard::csv::ms;
use crate::dashboard::endpoint::lookup::find;
use crate::dashboard::endpoint::{columns_over, lately};
use crate::dashboard::history::{HistoryFilter, HistoryQuery, RequestHistory};
use crate::dashboard::page::PageError;
use crate::dashboard::query::ViewQuery;
use crate::dashboard::state::DashboardState;
use crate::dashboard::zone::Zone;
use crate::history::Busy;
use crate::history::request::RememberedExchange;
use crate::model::pod::ServingState;
use crate::query::snapshot::{EndpointRow, Snapshot};
use format::column::{Column, RequestColumn};
use format::csv::{CsvCell, table as csv_table, text};
use format::time;

/// `GET /endpoints/{id}/csv/{table}`: one of `steps.csv`, `pods.csv` and `requests.csv`.
pub async fn table(
    Path((id, table)): Path<(String, String)>,
    Query(query): Query<ViewQuery>,
    Query(shown): Query<HistoryQuery>,
    zone: Zone,
    state: DashboardState,
) -> Result<Response, Box<PageError>> {
    let span = query.chosen(&zone, now_ms())?;
    let snapshot = state.snapshot_over(span).await?;
    let row = find(&snapshot, &id)?;
    Ok(match &*table {
        "steps.csv" => steps(&columns_over(&state, &snapshot, row, span).await?, snapshot.taken_ms),
        "pods.csv" => pods(&state, &snapshot, row),
        "requests.csv" => {
            let remembered = RequestHistory::remembered(&state, row, HistoryFilter::of(&shown)).await;
            requests(remembered, row.endpoint.method(), snapshot.taken_ms)?
        }
        _ => PageError::not_found("No such file. Use steps.csv, pods.csv or requests.csv.").into_response(),
    })
}

fn steps(columns: &Columns, taken_ms: u64) -> Response {
    let heads =
        ["from", "step_s", "hits", "failures", "4xx", "by_rule", "avg_ms", "p50_ms", "p95_ms", "p99_ms", "bytes_in", "bytes_out"];
    let step = |(at, golden): (usize, &GoldenMetrics)| {
        vec![
            CsvCell::text(time::instant(columns.from_ms + at as u64 * columns.step_ms)),
            CsvCell::Number(format!("{:.0}", columns.seconds(at))),
            CsvCell::Number(golden.hits.to_string()),
            CsvCell::Number(golden.failures().to_string()),
            CsvCell::Number(golden.class(4).to_string()),
            CsvCell::Number(golden.by_rule.to_string()),
            ms(golden.mean_us()),
            ms(golden.quantile_us(0.5)),
            ms(golden.quantile_us(0.95)),
            ms(golden.quantile_us(0.99)),
            CsvCell::Number(golden.bytes_in.to_string()),
            CsvCell::Number(golden.bytes_out.to_string()),
        ]
    };
    csv::file("steps", taken_ms, text(&heads, columns.golden.iter().enumerate().map(step)))
}

fn pods(state: &DashboardState, snapshot: &Snapshot, row: &EndpointRow) -> Response {
    let heads = ["pod", "state", "hits", "failures", "p50_ms", "p95_ms", "p99_ms"];
    let lately = lately(state, row, snapshot.taken_ms);
    let rows = row.pods.iter().map(|pod| {
        let recent = lately.get(&pod.pod);
        let quantile = |q: f64| ms(recent.and_then(|recent| recent.latency.quantile(q)));
        vec![
            CsvCell::text(&pod.pod),
            CsvCell::text(match pod.state {
                ServingState::Serving => "serving",
                ServingState::Off => "off",
                ServingState::Waiting => "waiting",
                ServingState::Lost => "lost",
            }),
            CsvCell::number(recent.map(|recent| recent.hits)),
            CsvCell::number(recent.map(|recent| recent.failures)),
            quantile(0.5),
            quantile(0.95),
            quantile(0.99),
        ]
    });
    csv::file("endpoint-pods", snapshot.taken_ms, text(&heads, rows))
}

/// The remembered requests; an error page if the pods could not be queried, because an empty file would be wrong.
fn requests(remembered: Result<Vec<RememberedExchange>, Busy>, method: &str, taken_ms: u64) -> Result<Response, Box<PageError>> {
    let remembered = remembered.map_err(|Busy| PageError::busy())?;
    let columns = RequestColumn::without(&[RequestColumn::Outcome]);
    let text = csv_table(&columns, &remembered, |one, column| request_cell(one, method, column));
    Ok(csv::file("requests", taken_ms, text))
}

fn request_cell(one: &RememberedExchange, method: &str, column: RequestColumn) -> CsvCell {
    let exchange = &one.exchange;
    let optional = |text: Option<String>| text.map_or(CsvCell::Missing, CsvCell::text);
    match column {
        RequestColumn::Started => csv::instant(Some(exchange.started_ms)),
        RequestColumn::Status => CsvCell::Number(exchange.status.to_string()),
        RequestColumn::Method => CsvCell::text(method),
        RequestColumn::Path => CsvCell::text(&exchange.path),
        RequestColumn::Took => ms(Some(exchange.took_us as f64)),
        RequestColumn::FirstByte => ms(exchange.first_byte_us.map(|us| us as f64)),
        RequestColumn::BytesIn => CsvCell::Number(exchange.bytes_in.to_string()),
        RequestColumn::BytesOut => CsvCell::Number(exchange.bytes_out.to_string()),
        RequestColumn::Caller => optional(exchange.caller.map(|caller| caller.to_string())),
        RequestColumn::Pod => CsvCell::text(&*one.pod),
        RequestColumn::Trace => optional(exchange.trace.map(|trace| trace.to_string())),
        RequestColumn::Rule => optional(exchange.rule.clone()),
        // The command line alone writes it.
        RequestColumn::Outcome => CsvCell::Missing,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn no_file_is_sent_if_the_pods_could_not_be_queried() {
        let refused = requests(Err(Busy), "GET", 0).unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(requests(Ok(Vec::new()), "GET", 0).unwrap().status(), StatusCode::OK);
    }
}
