//! Tables as CSV files: every column of a page as plain values, safe to open in a spreadsheet.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use mesh::report::Resources;

use crate::counts::fleet::skew::Skew;
use crate::model::pod::PodState;
use crate::query::snapshot::{EndpointRow, PodRow, Snapshot};
use format::csv::{CsvCell, text};
use format::health::ratio;
use format::time;

/// A table as a CSV download; `name` becomes part of the file name.
pub fn file(name: &str, taken_ms: u64, heads: &[&str], rows: impl IntoIterator<Item = Vec<CsvCell>>) -> Response {
    let instant: String =
        time::instant(taken_ms).chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"sitio-{name}-{instant}.csv\""));
    let disposition = disposition.expect("the name is made of letters, digits and dashes");
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")), (header::CONTENT_DISPOSITION, disposition)],
        text(heads, rows),
    )
        .into_response()
}

/// The endpoints of the overview as CSV.
pub fn endpoints<'a>(snapshot: &Snapshot, rows: impl IntoIterator<Item = &'a EndpointRow>) -> Response {
    let heads = [
        "namespace",
        "service",
        "method",
        "route",
        "rps",
        "hits",
        "avg_ms",
        "p50_ms",
        "p95_ms",
        "p99_ms",
        "failures",
        "failing_ratio",
        "4xx_ratio",
        "bytes_in",
        "bytes_out",
        "blocked",
        "last_seen",
        "pods",
        "window_s",
    ];
    let row = |row: &EndpointRow| {
        let now = &row.now;
        let ms = |us: Option<f64>| CsvCell::number(us.map(|us| format!("{:.3}", us / 1000.0)));
        vec![
            CsvCell::text(&row.namespace),
            CsvCell::text(&row.service),
            CsvCell::text(row.endpoint.method()),
            CsvCell::text(row.endpoint.route()),
            CsvCell::Number(format!("{:.3}", row.rps)),
            CsvCell::Number(now.hits.to_string()),
            ms(now.mean_us()),
            ms(now.quantile_us(0.5)),
            ms(now.quantile_us(0.95)),
            ms(now.quantile_us(0.99)),
            CsvCell::Number(now.failures().to_string()),
            CsvCell::Number(format!("{:.6}", ratio(now.failures(), now.served()))),
            CsvCell::Number(format!("{:.6}", ratio(now.class(4), now.served()))),
            CsvCell::Number(now.bytes_in.to_string()),
            CsvCell::Number(now.bytes_out.to_string()),
            CsvCell::Number(now.by_rule.to_string()),
            row.last_seen_ms.map_or(CsvCell::Missing, |ms| CsvCell::text(time::instant(ms))),
            CsvCell::Number(row.pods.len().to_string()),
            CsvCell::Number(format!("{:.0}", snapshot.covered_s)),
        ]
    };
    file("endpoints", snapshot.taken_ms, &heads, rows.into_iter().map(row))
}

/// The pods as CSV.
pub fn pods<'a>(snapshot: &Snapshot, rows: impl IntoIterator<Item = &'a PodRow>) -> Response {
    let heads = [
        "pod",
        "namespace",
        "service",
        "node",
        "state",
        "version",
        "memory_bytes",
        "memory_limit_bytes",
        "cpu_milli",
        "cpu_limit_milli",
        "rps",
        "connected_at",
        "heard_at",
        "revision",
        "took_ms",
        "revision_wanted",
        "clock_offset_ms",
        "clock_error_ms",
    ];
    let row = |row: &PodRow| {
        let workload = &row.workload;
        let used = row.resources;
        let measured = used.filter(Resources::are_measured);
        let instant = |ms: Option<u64>| ms.map_or(CsvCell::Missing, |ms| CsvCell::text(time::instant(ms)));
        vec![
            CsvCell::text(&workload.pod),
            CsvCell::text(&workload.namespace),
            CsvCell::text(&workload.service),
            CsvCell::text(&workload.node),
            CsvCell::text(match row.state {
                PodState::Reporting => "reporting",
                PodState::Silent => "silent",
                PodState::Gone => "gone",
            }),
            CsvCell::text(&workload.version),
            CsvCell::number(measured.map(|used| used.memory_bytes)),
            CsvCell::number(used.map(|used| used.memory_limit_bytes).filter(|limit| *limit > 0)),
            CsvCell::number(measured.map(|used| used.cpu_milli)),
            CsvCell::number(used.map(|used| used.cpu_limit_milli).filter(|limit| *limit > 0)),
            CsvCell::Number(format!("{:.3}", row.rps)),
            instant(row.connected_ms),
            instant(Some(row.heard_ms)),
            CsvCell::number(row.confirmed.map(|(revision, _)| revision)),
            CsvCell::number(row.confirmed.map(|(_, took_ms)| took_ms)),
            CsvCell::Number(row.revision_wanted.to_string()),
            CsvCell::number(row.skew.map(Skew::offset_ms)),
            CsvCell::number(row.skew.and_then(Skew::error_ms)),
        ]
    };
    file("pods", snapshot.taken_ms, &heads, rows.into_iter().map(row))
}
