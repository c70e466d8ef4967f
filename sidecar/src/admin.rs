//! The admin port: health for the kubelet, metrics for Prometheus, the seeds' statistics for people.

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
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mesh::workload::Workload;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access_log::Lines;
use crate::admin::readiness::Readiness;
use crate::ledger::books::{Books, now_ms};
use crate::link::meter::LinkMeter;
use crate::otlp::Exported;
use crate::worker::Workers;
use crate::{metrics, stats};

pub mod readiness;

/// Connections at a time: the kubelet's three probes, two scrapers, and a few people.
const CONNECTIONS_MAX: usize = 32;

/// For a request's head, and between two requests. Whoever is slower may connect again.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest that one connection may last, so that readers who never finish cannot hold all places for ever.
const CONNECTION_MAX: Duration = Duration::from_secs(120);

/// What to do when the kernel does not let us accept, which it does when there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let router = self.router();
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes the semaphore");
                (place, listener.accept().await)
            };
            let Some((place, accepted)) = drain.run_until_cancelled(next).await else { return Ok(()) };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let served = serve(stream, router.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(place);
                    });
                }
                Err(why) => {
                    tracing::debug!("accept on the admin port: {why}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
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

async fn serve(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // Whatever ended it concerns whoever asked, and they know.
    let _ = tokio::time::timeout(CONNECTION_MAX, connection).await;
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
