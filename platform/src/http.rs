//! An HTTP/1 server for untrusted clients: every part of an exchange has a time limit, and probes are always answered.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connection_slots::{Bounds, ConnectionSlot, ConnectionSlots, SlotKind};
use crate::http::guarded::Guarded;
use crate::http::transport::{BoundedSocket, Plain, Transport};
use crate::port_connections::PortConnections;

mod guarded;
pub mod transport;

/// Seconds after which a refused client may try again: slow requests have ended by then.
const RETRY_AFTER_S: u16 = 10;

/// The limits of one port.
#[derive(Debug, Clone, Copy)]
pub struct PortLimits {
    /// Connections at a time.
    pub connections: Bounds,
    /// Time from the end of one exchange, or the start of the connection, to the end of the next
    /// request's head.
    pub head_within: Duration,
    /// Time for the whole body of a request.
    pub body_within: Duration,
    /// Time between two writes of a response that the client accepts.
    pub write_within: Duration,
    /// Bytes of one request's head.
    pub head_bytes_max: usize,
    /// Maximum lifetime of a connection, if there is one.
    pub lasts: Option<Duration>,
    /// The paths that connections of the reserve may request.
    pub probes: &'static [&'static str],
}

/// Serves until drained, and returns when the last connection has ended. Dropping the future ends
/// all connections at once.
pub async fn serve(incoming: impl Into<PortConnections>, routes: Router, limits: PortLimits, drain: CancellationToken) {
    serve_over(incoming, Plain, routes, limits, drain).await;
}

/// [`serve`] over a transport, such as TLS.
pub async fn serve_over<T: Transport>(
    incoming: impl Into<PortConnections>,
    transport: T,
    routes: Router,
    limits: PortLimits,
    drain: CancellationToken,
) {
    let (mut incoming, places) = (incoming.into(), ConnectionSlots::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, peer) = incoming.next() => {
                if let Some(place) = places.place(peer.ip()) {
                    let connection = carry(stream, transport.clone(), (peer, place), routes.clone(), limits, drain.clone());
                    connections.spawn(connection);
                }
            }
            Some(_) = connections.join_next() => {}
            () = drain.cancelled() => break,
        }
    }
    drop(incoming);
    while connections.join_next().await.is_some() {}
}

async fn carry<T: Transport>(
    stream: TcpStream,
    transport: T,
    (peer, place): (SocketAddr, ConnectionSlot),
    routes: Router,
    limits: PortLimits,
    drain: CancellationToken,
) {
    // Events are small and should be sent at once. A failure to set the option only delays them.
    let _ = stream.set_nodelay(true);
    let socket = BoundedSocket::new(stream, limits.write_within, place.activity());
    let opened = tokio::select! {
        opened = tokio::time::timeout(limits.head_within, transport.open(socket)) => opened,
        () = place.closed().cancelled() => return,
        () = drain.cancelled() => return,
    };
    let stream = match opened {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, %peer, "a connection was not opened"),
        Err(_) => return tracing::debug!(%peer, "a connection took too long to open"),
    };
    let (routes, kind, activity) = (TowerToHyperService::new(routes), place.kind(), place.activity().clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let under_way = activity.begin();
        let (routes, is_refused) = (routes.clone(), kind == SlotKind::Reserve && !limits.probes.contains(&request.uri().path()));
        async move {
            if is_refused {
                return Ok::<_, Infallible>(overloaded());
            }
            let mut request = request.map(|body| Body::new(Guarded::new(body).within(limits.body_within)));
            request.extensions_mut().insert(ConnectInfo(peer));
            let Ok(response) = routes.call(request).await;
            Ok(response.map(|body| Body::new(Guarded::new(body).holding(under_way))))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(limits.head_bytes_max)
        .keep_alive(kind == SlotKind::Ordinary)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = place.closed().cancelled() => return,
        () = over(limits.lasts) => return,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

async fn over(lasts: Option<Duration>) {
    match lasts {
        Some(lasts) => tokio::time::sleep(lasts).await,
        None => std::future::pending().await,
    }
}

/// The response of the reserve to anything but a probe.
fn overloaded() -> Response<Body> {
    let mut response = Response::new(Body::from("all connections are in use: try again later\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
    response
}

#[cfg(test)]
mod tests;
