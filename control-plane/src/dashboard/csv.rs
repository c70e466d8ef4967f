//! Tables as CSV files: every column of a page as plain values, safe to open in a spreadsheet.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use mesh::report::Resources;

use crate::counts::fleet::skew::Skew;
use crate::model::pod::PodState;
use crate::query::snapshot::{EndpointRow, PodRow, Snapshot};
use format::column::{Column, EndpointColumn, PodColumn};
use format::csv::{CsvCell, table};
use format::health::ratio;
use format::time;

/// CSV text as a download; `name` becomes part of the file name.
pub fn file(name: &str, taken_ms: u64, text: String) -> Response {
    let instant: String =
        time::instant(taken_ms).chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"sitio-{name}-{instant}.csv\""));
    let disposition = disposition.expect("the name is made of letters, digits and dashes");
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")), (header::CONTENT_DISPOSITION, disposition)],
        text,
    )
        .into_response()
}

/// A latency in milliseconds.
pub fn ms(us: Option<f64>) -> CsvCell {
    CsvCell::number(us.map(|us| format!("{:.3}", us / 1000.0)))
}

/// An instant, if there is one.
pub fn instant(unix_ms: Option<u64>) -> CsvCell {
    unix_ms.map_or(CsvCell::Missing, |unix_ms| CsvCell::text(time::instant(unix_ms)))
}

/// The columns of endpoints that the command line alone writes.
const ENDPOINT_COLUMNS_MISSING: [EndpointColumn; 4] =
    [EndpointColumn::State, EndpointColumn::Rule, EndpointColumn::Id, EndpointColumn::TakenAt];

/// The columns of pods that the command line alone writes.
const POD_COLUMNS_MISSING: [PodColumn; 3] = [PodColumn::Connections, PodColumn::Uid, PodColumn::TakenAt];

/// The endpoints of the overview as CSV.
pub fn endpoints<'a>(snapshot: &Snapshot, rows: impl IntoIterator<Item = &'a EndpointRow>) -> Response {
    let columns = EndpointColumn::without(&ENDPOINT_COLUMNS_MISSING);
    let text = table(&columns, rows, |row, column| endpoint_cell(row, column, snapshot.covered_s));
    file("endpoints", snapshot.taken_ms, text)
}

fn endpoint_cell(row: &EndpointRow, column: EndpointColumn, covered_s: f64) -> CsvCell {
    let now = &row.now;
    match column {
        EndpointColumn::Namespace => CsvCell::text(&row.namespace),
        EndpointColumn::Service => CsvCell::text(&row.service),
        EndpointColumn::Method => CsvCell::text(row.endpoint.method()),
        EndpointColumn::Route => CsvCell::text(row.endpoint.route()),
        EndpointColumn::Rps => CsvCell::Number(format!("{:.3}", row.rps)),
        EndpointColumn::Hits => CsvCell::Number(now.hits.to_string()),
        EndpointColumn::Avg => ms(now.mean_us()),
        EndpointColumn::P50 => ms(now.quantile_us(0.5)),
        EndpointColumn::P95 => ms(now.quantile_us(0.95)),
        EndpointColumn::P99 => ms(now.quantile_us(0.99)),
        EndpointColumn::Failures => CsvCell::Number(now.failures().to_string()),
        EndpointColumn::FailingRatio => CsvCell::Number(format!("{:.6}", ratio(now.failures(), now.served()))),
        EndpointColumn::ClientErrorRatio => CsvCell::Number(format!("{:.6}", ratio(now.class(4), now.served()))),
        EndpointColumn::BytesIn => CsvCell::Number(now.bytes_in.to_string()),
        EndpointColumn::BytesOut => CsvCell::Number(now.bytes_out.to_string()),
        EndpointColumn::Blocked => CsvCell::Number(now.by_rule.to_string()),
        EndpointColumn::LastSeen => instant(row.last_seen_ms),
        EndpointColumn::Pods => CsvCell::Number(row.pods.len().to_string()),
        EndpointColumn::Window => CsvCell::Number(format!("{covered_s:.0}")),
        EndpointColumn::State | EndpointColumn::Rule | EndpointColumn::Id | EndpointColumn::TakenAt => CsvCell::Missing,
    }
}

/// The pods as CSV.
pub fn pods<'a>(snapshot: &Snapshot, rows: impl IntoIterator<Item = &'a PodRow>) -> Response {
    let columns = PodColumn::without(&POD_COLUMNS_MISSING);
    file("pods", snapshot.taken_ms, table(&columns, rows, pod_cell))
}

fn pod_cell(row: &PodRow, column: PodColumn) -> CsvCell {
    let (workload, used) = (&row.workload, row.resources);
    let measured = used.filter(Resources::are_measured);
    match column {
        PodColumn::Pod => CsvCell::text(&workload.pod),
        PodColumn::Namespace => CsvCell::text(&workload.namespace),
        PodColumn::Service => CsvCell::text(&workload.service),
        PodColumn::Node => CsvCell::text(&workload.node),
        PodColumn::State => CsvCell::text(match row.state {
            PodState::Reporting => "reporting",
            PodState::Silent => "silent",
            PodState::Gone => "gone",
        }),
        PodColumn::Version => CsvCell::text(&workload.version),
        PodColumn::Memory => CsvCell::number(measured.map(|used| used.memory_bytes)),
        PodColumn::MemoryLimit => CsvCell::number(used.map(|used| used.memory_limit_bytes).filter(|limit| *limit > 0)),
        PodColumn::Cpu => CsvCell::number(measured.map(|used| used.cpu_milli)),
        PodColumn::CpuLimit => CsvCell::number(used.map(|used| used.cpu_limit_milli).filter(|limit| *limit > 0)),
        PodColumn::Rps => CsvCell::Number(format!("{:.3}", row.rps)),
        PodColumn::ConnectedAt => instant(row.connected_ms),
        PodColumn::HeardAt => instant(Some(row.last_message_ms)),
        PodColumn::Revision => CsvCell::number(row.confirmed.map(|(revision, _)| revision)),
        PodColumn::Took => CsvCell::number(row.confirmed.map(|(_, took_ms)| took_ms)),
        PodColumn::RevisionWanted => CsvCell::Number(row.revision_wanted.to_string()),
        PodColumn::ClockOffset => CsvCell::number(row.skew.map(Skew::offset_ms)),
        PodColumn::ClockError => CsvCell::number(row.skew.and_then(Skew::error_ms)),
        PodColumn::Connections | PodColumn::Uid | PodColumn::TakenAt => CsvCell::Missing,
    }
}
