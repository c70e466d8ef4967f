//! The legacy service: slow, with large responses, and a good candidate to turn off.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{StreamExt, stream};

use crate::demo::shop::catalogue::Catalogue;
use crate::demo::shop::latency::Latency;

/// The minimum size of an export: the catalogue repeated, as for many days.
const EXPORT_BYTES_MIN: usize = 1_000_000;

/// Bytes written at a time, and the pause after each piece, as in a program that reads from a slow disk.
const PIECE_BYTES: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(6);

const EXPORT: Latency = Latency::around_ms(140, 0.4);
const REPORT: Latency = Latency::around_ms(420, 0.3);
const IMPORT: Latency = Latency::around_ms(210, 0.4);

/// The archive is on tape: it is always slower than the time limits of the tour.
const ARCHIVE: Duration = Duration::from_secs(5);

/// A version of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Every second answer about its status is 503.
    Flaky,
    /// The one after it.
    Mended,
}

#[derive(Clone)]
struct Papers {
    export: Bytes,
    report: Bytes,
    version: Version,
    /// Answers about its status so far.
    statuses: Arc<AtomicU64>,
}

pub(super) fn routes(catalogue: &Catalogue, version: Version) -> Router {
    let day = catalogue.to_csv();
    let export = day.repeat(EXPORT_BYTES_MIN.div_ceil(day.len()));
    let papers = Papers { export: export.into(), report: day.into(), version, statuses: Arc::default() };
    Router::new()
        .route("/legacy/export", get(export_all))
        .route("/legacy/report.csv", get(report))
        .route("/legacy/import", post(import))
        .route("/legacy/status", get(status))
        .route("/legacy/archive", get(archive))
        .with_state(papers)
}

/// Sends the export in pieces, without a Content-Length.
async fn export_all(State(papers): State<Papers>) -> Response {
    EXPORT.pass().await;
    let pieces: Vec<Bytes> = (0..papers.export.len())
        .step_by(PIECE_BYTES)
        .map(|from| papers.export.slice(from..papers.export.len().min(from + PIECE_BYTES)))
        .collect();
    let slowly = stream::iter(pieces).then(async |piece| {
        tokio::time::sleep(PAUSE).await;
        Ok::<_, Infallible>(piece)
    });
    ([(CONTENT_TYPE, "text/csv; charset=utf-8")], Body::from_stream(slowly)).into_response()
}

async fn report(State(papers): State<Papers>) -> Response {
    REPORT.pass().await;
    ([(CONTENT_TYPE, "text/csv; charset=utf-8")], papers.report).into_response()
}

async fn status(State(papers): State<Papers>) -> (StatusCode, &'static str) {
    let is_second = papers.statuses.fetch_add(1, Ordering::Relaxed) % 2 == 1;
    match papers.version {
        Version::Flaky if is_second => (StatusCode::SERVICE_UNAVAILABLE, "busy\n"),
        Version::Flaky | Version::Mended => (StatusCode::OK, "fine\n"),
    }
}

async fn archive() -> &'static str {
    tokio::time::sleep(ARCHIVE).await;
    "found\n"
}

async fn import(lines: String) -> Response {
    IMPORT.pass().await;
    (StatusCode::ACCEPTED, format!("{} lines taken\n", lines.lines().count())).into_response()
}
