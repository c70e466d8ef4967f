//! Serves HTTP: as many connections as can be afforded, each owned here, so that none outlives the control plane.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::util::MapRequest;

/// Connections at a time. A browser opens six; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 1024;

/// How long a head may take to arrive, and a connection may wait for its next request.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of one request's head; as much as a browser with many cookies sends.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long to wait when the system has no connection for us, for want of descriptors for example.
const BREATHER: Duration = Duration::from_millis(100);

/// The address at the other end of a request's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Serves until drained, and returns when the last connection has ended. Dropping it ends them at once.
pub async fn serve(listener: TcpListener, routes: Router, drain: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, peer, place) = accept(&listener, &room) => {
                connections.spawn(carry(stream, peer, place, routes.clone(), drain.clone()));
            }
            Some(_) = connections.join_next() => {}
            () = drain.cancelled() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, Peer, OwnedSemaphorePermit) {
    let place = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, Peer(peer.ip()), place),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

async fn carry(stream: TcpStream, peer: Peer, place: OwnedSemaphorePermit, routes: Router, drain: CancellationToken) {
    // Events are small and wanted at once; a connection that cannot be told so works all the same.
    let _ = stream.set_nodelay(true);
    let routes = MapRequest::new(routes, move |request: hyper::Request<Incoming>| from(peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
    drop(place);
}

fn from(peer: Peer, request: hyper::Request<Incoming>) -> Request {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    request
}
