//! The admin port: health for the kubelet, metrics for Prometheus, the statistics of the original articles for people.

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
use platform::http::{Limits, serve};
use platform::places::Bounds;
use tokio_util::sync::CancellationToken;

use crate::access_log::Lines;
use crate::admin::readiness::Readiness;
use crate::ledger::books::{Books, now_ms};
use crate::link::meter::LinkMeter;
use crate::otlp::Exported;
use crate::worker::Workers;
use crate::{metrics, stats};

pub mod readiness;

/// What the port grants. Whoever is slower may connect again.
const LIMITS: Limits = Limits {
    // The kubelet's three probes, two scrapers, and a few people. The kubelet and the scrapers of a node share an address.
    connections: Bounds { all: 32, of_address: 16, reserve: 16 },
    // A probe has a second.
    head_within: Duration::from_secs(2),
    // No request has a body.
    body_within: Duration::from_secs(2),
    // A page of metrics is read at once, over whatever network.
    write_within: Duration::from_secs(10),
    head_bytes_max: 64 << 10,
    // Readers who take a little now and then do not hold a place for ever.
    lasts: Some(Duration::from_secs(120)),
    probes: &["/livez", "/healthz", "/readyz"],
};

/// What the admin port tells of.
#[derive(Clone)]
pub struct Admin {
    /// Whose numbers these are.
    pub workload: Arc<Workload>,
    /// The numbers.
    pub books: Books,
    /// What the link has counted.
    pub link: Arc<LinkMeter>,
    /// Who has counted what never became an exchange.
    pub workers: Arc<Workers>,
    /// What the access log has counted.
    pub access_log: Arc<Lines>,
    /// What was exported to a collector.
    pub exported: Arc<Exported>,
    /// Whether this pod can take traffic.
    pub readiness: Arc<Readiness>,
}

impl Admin {
    /// Answers on `listener` until drained.
    pub async fn run(self, listener: TcpListener, drain: CancellationToken) -> anyhow::Result<()> {
        listener.set_nonblocking(true).context("make the admin port non-blocking")?;
        let listener = tokio::net::TcpListener::from_std(listener).context("listen on the admin port")?;
        let never = CancellationToken::new();
        // A drained sidecar has nothing more to report: who still reads is cut off.
        let _ = drain.run_until_cancelled(serve(listener, self.router(), LIMITS, never)).await;
        Ok(())
    }

    /// GET and HEAD of these; anything else is 404 or 405.
    fn router(self) -> Router {
        Router::new()
            .route("/livez", get(livez))
            .route("/healthz", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics_page))
            .route("/stats", get(stats_json))
            .with_state(self)
    }
}

/// That this answers is the proof: the thread that keeps house is not stuck.
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
    admin.books.refresh().await;
    let told = metrics::Told {
        workload: &admin.workload,
        link: admin.link.numbers(),
        tally: admin.workers.tally(),
        access_log: &admin.access_log,
        exported: &admin.exported,
        now_ms: now_ms(),
    };
    let page = admin.books.read(|ledger| metrics::page(ledger, &told));
    ([(header::CONTENT_TYPE, format.content_type())], page.told(format))
}

async fn stats_json(State(admin): State<Admin>) -> impl IntoResponse {
    admin.books.refresh().await;
    let json = admin.books.read(|ledger| stats::json(ledger, &admin.workload.pod));
    ([(header::CONTENT_TYPE, "application/json")], json)
}

#[cfg(test)]
mod tests;
