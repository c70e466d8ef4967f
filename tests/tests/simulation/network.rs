//! Sockets of the simulated network for the control plane's server and the sidecar's client.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use control_plane::grpc::connections::ConnectionSource;
use sidecar::control_client::dial::{ByteStream, Transport};
use turmoil::net::{TcpListener, TcpStream};

/// The control plane's host name.
pub(crate) const CONTROL_PLANE: &str = "control-plane";

/// The port for sidecars.
pub(crate) const PORT: u16 = 8091;

/// The control plane's listener.
pub(crate) struct Listener(TcpListener);

impl Listener {
    pub(crate) async fn bind() -> io::Result<Self> {
        TcpListener::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), PORT)).await.map(Self)
    }
}

impl ConnectionSource for Listener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, IpAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((stream, peer.ip()))
    }
}

/// The sidecars' transport.
pub(crate) fn transport() -> Transport {
    Transport::Made(Arc::new(|_| {
        Box::pin(async {
            let stream = TcpStream::connect((CONTROL_PLANE, PORT)).await?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }))
}
