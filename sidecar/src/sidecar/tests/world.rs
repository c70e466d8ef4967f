//! Test setup: a service, a sidecar in front of it, and functions to send requests to either.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::SidecarOptions;
use crate::identity::PodDescription;
use crate::sidecar::{SidecarListeners, run};
use crate::timeouts::Timeouts;

/// How long a test waits for an expected event.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A sidecar in front of a service that answers `ok`; `/status/{code}` answers with that status.
pub(crate) struct World {
    pub(crate) traffic: SocketAddr,
    pub(crate) admin: SocketAddr,
    drain: CancellationToken,
    sidecar: JoinSet<anyhow::Result<()>>,
    _service: JoinSet<std::io::Result<()>>,
}

/// The response of an HTTP server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl World {
    pub(crate) async fn start(reported: impl FnOnce(&mut SidecarOptions)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let status = |Path(code): Path<u16>| async move { StatusCode::from_u16(code).unwrap() };
        let router = Router::new().route("/status/{code}", get(status)).fallback(|| async { "ok" });
        let mut service = JoinSet::new();
        service.spawn(axum::serve(listener, router).into_future());

        let named = PodDescription { pod: Some("web-6c9f7d5b8-2kqxz".into()), ..PodDescription::default() };
        let mut options = SidecarOptions::new(named, target);
        options.drain_grace = Duration::ZERO;
        // The service runs in this process, so its memory can be measured on every machine.
        options.pods_in_process = Some(NonZeroU32::MIN);
        reported(&mut options);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = SidecarListeners::bind(any, any, Timeouts::default().keepalive).unwrap();
        let [traffic, admin] = [&listeners.traffic, &listeners.admin].map(|listener| listener.local_addr().unwrap());
        let drain = CancellationToken::new();
        let mut sidecar = JoinSet::new();
        sidecar.spawn(run(options, listeners, drain.clone()));
        Self { traffic, admin, drain, sidecar, _service: service }
    }

    /// Sends a GET through the sidecar.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        ask(self.traffic, "GET", path).await
    }

    /// Sends a GET to the admin port.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        ask(self.admin, "GET", path).await
    }

    pub(crate) fn start_draining(&self) {
        self.drain.cancel();
    }

    /// Drains the sidecar and waits until it has stopped.
    pub(crate) async fn left(mut self) {
        self.drain.cancel();
        within(self.sidecar.join_next()).await.unwrap().unwrap().unwrap();
    }
}

/// Sends one request on a new connection.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = within(exchange).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Fails the test if `what` takes longer than [`PATIENCE`].
#[track_caller]
pub(crate) fn within<F: Future>(what: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move { tokio::time::timeout(PATIENCE, what).await.unwrap_or_else(|_| panic!("nothing within {PATIENCE:?} at {place}")) }
}
