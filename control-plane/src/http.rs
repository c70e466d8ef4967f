//! What the port of the dashboard and the API grants to one connection, to one address and in all.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use platform::http::Limits;
use platform::places::Bounds;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::util::MapRequestLayer;

/// The limits of the port.
const LIMITS: Limits = Limits {
    connections: Bounds {
        // A browser opens six.
        all: 1024,
        // All browsers behind one proxy share an address; a single client leaves as many places to the others.
        of_address: 512,
        // The kubelet's probes, over again while earlier ones are being answered.
        reserve: 64,
    },
    // Includes the silence between two requests.
    head_within: Duration::from_secs(10),
    // The largest body is a rule of a few kilobytes.
    body_within: Duration::from_secs(10),
    // An event stream sends something every ten seconds; a reader that takes none of it is not there.
    write_within: Duration::from_secs(10),
    // As much as a browser with many cookies sends.
    head_bytes_max: 64 << 10,
    // A page that is looked at keeps its stream of events all day.
    lasts: None,
    probes: &["/livez", "/healthz", "/readyz"],
};

/// The address at the other end of a request's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Serves until drained, and returns when the last connection has ended. Dropping it ends them at once.
pub async fn serve(listener: TcpListener, routes: Router, drain: CancellationToken) {
    let routes = routes.layer(MapRequestLayer::new(with_peer));
    platform::http::serve(listener, routes, LIMITS, drain).await;
}

fn with_peer(mut request: Request) -> Request {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        request.extensions_mut().insert(Peer(peer.ip()));
    }
    request
}
