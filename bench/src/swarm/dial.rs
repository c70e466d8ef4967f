//! Connections of a swarm's sidecars to the control plane: one per sidecar, or shared by many.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// Sidecars per shared connection, as behind a proxy.
const PER_CONNECTION: usize = 100;

/// Loopback source addresses to connect from. One has about 28,000 ports, and the ports of ended
/// connections are unavailable for a minute.
const SOURCES: u8 = 8;

/// The control plane may take a while while it is busy with all sidecars.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Whether sidecars share connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// Each sidecar has its own connection.
    Own,
    /// A hundred sidecars share one connection.
    Shared,
}

/// Assigns connections to sidecars.
pub struct Dialler {
    control_plane: SocketAddr,
    shared: Option<Vec<Channel>>,
}

/// How one sidecar gets its connection.
#[derive(Clone)]
pub enum DialRoute {
    /// It opens a new one from this source address.
    Own(Box<Endpoint>, Ipv4Addr),
    /// It uses a shared one.
    Shared(Channel),
}

impl Dialler {
    /// Shared connections are opened when they are first used.
    pub fn new(control_plane: SocketAddr, connections: Connections) -> Self {
        let shared = match connections {
            Connections::Own => None,
            Connections::Shared => Some(Vec::new()),
        };
        Self { control_plane, shared }
    }

    /// The connection of one sidecar. Must be called in the order of the numbers.
    pub fn to(&mut self, number: usize) -> DialRoute {
        let endpoint = endpoint(self.control_plane);
        let Some(shared) = &mut self.shared else { return DialRoute::Own(Box::new(endpoint), source(number)) };
        if number / PER_CONNECTION >= shared.len() {
            shared.push(endpoint.connect_lazy());
        }
        DialRoute::Shared(shared[number / PER_CONNECTION].clone())
    }
}

impl DialRoute {
    /// Opens a connection, or returns the shared one.
    pub async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        let (endpoint, source) = match self {
            Self::Shared(channel) => return Ok(channel.clone()),
            Self::Own(endpoint, source) => (endpoint, *source),
        };
        let connect = move |uri: Uri| async move {
            let socket = TcpSocket::new_v4()?;
            socket.bind((source, 0).into())?;
            let port = uri.port_u16().unwrap_or_default();
            let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        };
        endpoint.connect_with_connector(service_fn(connect)).await
    }
}

fn endpoint(control_plane: SocketAddr) -> Endpoint {
    let uri = format!("http://{control_plane}").parse::<Uri>().expect("an address and a port make a URI");
    Endpoint::from(uri).connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true)
}

fn source(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 1 + (number % usize::from(SOURCES)) as u8)
}
