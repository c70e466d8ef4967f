//! The admin port: health probes for the kubelet, metrics for Prometheus, and the statistics of the original articles.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use exposition::format::Format;
use mesh::workload::Workload;
use platform::connection_slots::Bounds;
use platform::http::{PortLimits, serve};
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::control_client::metrics::ControlClientMetrics;
use crate::export::access_log::LineCounts;
use crate::export::admin::readiness::Readiness;
use crate::export::otlp::Exported;
use crate::export::{legacy_stats, prometheus};
use crate::ledger::collector::{LedgerHandle, now_ms};
use crate::worker::Workers;

pub mod readiness;

/// Limits of the port. A client that exceeds them is closed and may connect again.
const LIMITS: PortLimits = PortLimits {
    // Three kubelet probes, two scrapers, and a few people. The kubelet and the scrapers of a node share an address.
    connections: Bounds { all: 32, of_address: 16, reserve: 16 },
    // A probe has one second.
    head_within: Duration::from_secs(2),
    // No request has a body.
    body_within: Duration::from_secs(2),
    // A page of metrics is read at once, whatever the network.
    write_within: Duration::from_secs(10),
    head_bytes_max: 64 << 10,
    // Clients that read slowly do not hold a slot for ever.
    lasts: Some(Duration::from_secs(120)),
    probes: &["/livez", "/healthz", "/readyz"],
};

/// The state that the pages of the admin port show.
#[derive(Clone)]
pub struct Admin {
    /// The workload that the numbers belong to.
    pub workload: Arc<Workload>,
    /// The ledger with the numbers.
    pub ledger_handle: LedgerHandle,
    /// Counters of the control client.
    pub control_client: Arc<ControlClientMetrics>,
    /// The workers, which count what never became an exchange.
    pub workers: Arc<Workers>,
    /// Counters of the access log.
    pub access_log: Arc<LineCounts>,
    /// Counters of the OTLP export.
    pub exported: Arc<Exported>,
    /// Whether this pod can take traffic.
    pub readiness: Arc<Readiness>,
}

impl Admin {
    /// Serves on `listener` until drained.
    pub async fn run(self, listener: TcpListener, drain: CancellationToken) -> anyhow::Result<()> {
        listener.set_nonblocking(true).context("make the admin port non-blocking")?;
        let listener = tokio::net::TcpListener::from_std(listener).context("listen on the admin port")?;
        let never = CancellationToken::new();
        // After the drain there is nothing more to report, so open connections are cut off.
        let _ = drain.run_until_cancelled(serve(listener, self.router(), LIMITS, never)).await;
        Ok(())
    }

    /// Routes for GET and HEAD; anything else is 404 or 405.
    fn router(self) -> Router {
        Router::new()
            .route("/livez", get(livez))
            .route("/healthz", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics_page))
            .route("/stats", get(stats_json))
            // Scrapers ask for it, and metrics shrink to a tenth.
            .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
            .with_state(self)
    }
}

/// Any response proves that the background thread is not stuck.
async fn livez() -> &'static str {
    "live\n"
}

async fn readyz(State(admin): State<Admin>) -> impl IntoResponse {
    match admin.readiness.check().await {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics_page(State(admin): State<Admin>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::preferred(accept);
    admin.ledger_handle.refresh().await;
    let rules = admin.workers.rules();
    let facts = prometheus::ProcessFacts {
        workload: &admin.workload,
        control_client: admin.control_client.numbers(),
        counters: admin.workers.counters(),
        access_log: &admin.access_log,
        exported: &admin.exported,
        rules: &rules,
        now_ms: now_ms(),
    };
    let page = admin.ledger_handle.read(|ledger| prometheus::page(ledger, &facts));
    ([(header::CONTENT_TYPE, format.content_type())], page.encode(format))
}

async fn stats_json(State(admin): State<Admin>) -> impl IntoResponse {
    admin.ledger_handle.refresh().await;
    let json = admin.ledger_handle.read(|ledger| legacy_stats::json(ledger, &admin.workload.pod));
    ([(header::CONTENT_TYPE, "application/json")], json)
}

#[cfg(test)]
mod tests;
