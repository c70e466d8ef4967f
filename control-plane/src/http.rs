//! The HTTP server of the dashboard and the API, and its limits per connection, per address and in total.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, header};
use platform::connection_slots::Bounds;
use platform::http::PortLimits;
use platform::port_connections::PortConnections;
use tokio_util::sync::CancellationToken;
use tower::util::MapRequestLayer;

/// The limits of the port.
const LIMITS: PortLimits = PortLimits {
    connections: Bounds {
        // A browser opens six.
        all: 1024,
        // All browsers behind one proxy share an address; one address leaves half of the places to the others.
        of_address: 512,
        // For the kubelet's probes, including new ones while earlier ones are being answered.
        reserve: 64,
    },
    // Includes the idle time between two requests.
    head_within: Duration::from_secs(10),
    // The largest body is a rule of a few kilobytes.
    body_within: Duration::from_secs(10),
    // An event stream sends something every ten seconds; a client that reads none of it is gone.
    write_within: Duration::from_secs(10),
    // As much as a browser with many cookies sends.
    head_bytes_max: 64 << 10,
    // An open page keeps its event stream all day.
    lasts: None,
    probes: &["/livez", "/healthz", "/readyz"],
};

/// The peer address of a request's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub IpAddr);

/// Serves until drained, and returns when the last connection has ended. Dropping the future ends them at once.
pub async fn serve(incoming: impl Into<PortConnections>, routes: Router, drain: CancellationToken) {
    let routes = routes.layer(MapRequestLayer::new(with_peer));
    platform::http::serve(incoming, routes, LIMITS, drain).await;
}

/// A cookie of a request (RFC 6265, section 4.2). The `cookie` crate would bring `time` along for these four lines.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn with_peer(mut request: Request) -> Request {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        request.extensions_mut().insert(PeerAddr(peer.ip()));
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_peer_has_ten_seconds_for_each_part_of_an_exchange() {
        let within = [LIMITS.head_within, LIMITS.body_within, LIMITS.write_within];
        assert_eq!(within, [Duration::from_secs(10); 3]);
        let Bounds { all, of_address, reserve } = LIMITS.connections;
        assert_eq!((all, of_address), (1024, 512), "one address cannot take every place");
        assert_eq!((reserve, LIMITS.probes), (64, &["/livez", "/healthz", "/readyz"][..]), "probes have places of their own");
    }
}
