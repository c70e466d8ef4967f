//! A service whose next answers a test chooses, and a sidecar with rules in front of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sidecar::exchange::options::ProxyOptions;
use sidecar::rulebook::TimedRule;
use sidecar::worker::{RuleSource, Workers};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::support::{async_listener, sidecar_with};

/// A service whose next answers a test chooses.
#[derive(Default)]
pub(crate) struct Steered {
    /// The status, or what else it does.
    next: AtomicU16,
    /// How many more requests are treated so. The others get 200.
    left: AtomicUsize,
    requests: AtomicUsize,
    pub(crate) bodies: Mutex<Vec<Vec<u8>>>,
    pub(crate) released: Notify,
}

/// It does not answer before it is released.
pub(crate) const SILENT: u16 = 0;

/// It closes the connection, or resets the stream.
pub(crate) const RESETS: u16 = 1;

impl Steered {
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn steer(&self, next: u16) {
        self.fail(usize::MAX, next);
    }

    /// Treats so many requests this way, and then answers with 200.
    pub(crate) fn fail(&self, times: usize, next: u16) {
        self.next.store(next, Ordering::SeqCst);
        self.left.store(times, Ordering::SeqCst);
    }

    /// Counts a request, and returns what to do with it.
    async fn next(&self, body: Vec<u8>) -> u16 {
        self.bodies.lock().unwrap().push(body);
        self.requests.fetch_add(1, Ordering::SeqCst);
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let next = if left.is_ok() { self.next.load(Ordering::SeqCst) } else { 200 };
        if next == SILENT {
            self.released.notified().await;
        }
        next
    }
}

/// Which protocol a service speaks. Both must be tested: the sidecar translates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

pub(crate) fn steered(speaks: Speaks, next: u16) -> (SocketAddr, Arc<Steered>, JoinSet<()>) {
    let (listener, address) = async_listener();
    let steered = Arc::new(Steered::default());
    steered.steer(next);
    let (mut service, steering) = (JoinSet::new(), Arc::clone(&steered));
    service.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let steering = Arc::clone(&steering);
            match speaks {
                Speaks::Http1 => connections.spawn(serve_http1(stream, steering)),
                Speaks::Http2 => connections.spawn(serve_http2(stream, steering)),
            };
        }
    });
    (address, steered, service)
}

async fn serve_http1(stream: tokio::net::TcpStream, steered: Arc<Steered>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            // The preface of HTTP/2 is no request of a client.
            if stream.read_line(&mut line).await.unwrap_or_default() == 0 || line.starts_with("PRI ") {
                return;
            }
            length = line.to_lowercase().strip_prefix("content-length: ").map_or(length, |text| text.trim().parse().unwrap());
        }
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let status = match steered.next(body).await {
            SILENT | RESETS => return,
            status => status,
        };
        let answer = format!("HTTP/1.1 {status} Because\r\nContent-Length: 7\r\n\r\nservice");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn serve_http2(stream: tokio::net::TcpStream, steered: Arc<Steered>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut requests = JoinSet::new();
    while let Some(Ok((mut request, mut respond))) = connection.accept().await {
        let steered = Arc::clone(&steered);
        requests.spawn(async move {
            let mut body = Vec::new();
            while let Some(Ok(piece)) = request.body_mut().data().await {
                body.extend_from_slice(&piece);
                let _ = request.body_mut().flow_control().release_capacity(piece.len());
            }
            match steered.next(body).await {
                SILENT | RESETS => respond.send_reset(h2::Reason::INTERNAL_ERROR),
                status => {
                    let response = http::Response::builder().status(status).body(()).unwrap();
                    if let Ok(mut body) = respond.send_response(response, false) {
                        let _ = body.send_data(Bytes::from_static(b"service"), true);
                    }
                }
            }
        });
    }
}

pub(crate) async fn behind(options: ProxyOptions, rules: Vec<TimedRule>) -> (Workers, SocketAddr) {
    let (workers, address) = sidecar_with(options).await;
    workers.apply_rules(RuleSource::ControlPlane, rules).await;
    (workers, address)
}

/// On how many exchanges the first rule has acted, and would have acted.
pub(crate) fn acted(workers: &Workers) -> (u64, u64) {
    let totals = workers.rules()[0].counts.totals("r1");
    (totals.acted, totals.shadowed)
}
