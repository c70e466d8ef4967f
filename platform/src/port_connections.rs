//! Where the connections of a server come from: a port, and connections that another process has accepted on its own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// The pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection that was accepted elsewhere, and the address of its client.
pub type Forwarded = (TcpStream, SocketAddr);

/// A port, and perhaps forwarded connections beside it.
#[derive(Debug)]
pub struct PortConnections {
    listener: TcpListener,
    forwarded: Option<mpsc::Receiver<Forwarded>>,
}

impl PortConnections {
    /// Connections of the port, and those that are sent here.
    pub fn with_forwarded(listener: TcpListener, forwarded: mpsc::Receiver<Forwarded>) -> Self {
        Self { listener, forwarded: Some(forwarded) }
    }

    /// The next connection. A failed accept, for example for lack of file descriptors, is logged, and repeated after a pause.
    pub async fn next(&mut self) -> Forwarded {
        loop {
            match self.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Accepts the next connection, and returns the error if that fails.
    pub async fn accept(&mut self) -> io::Result<Forwarded> {
        let Some(forwarded) = &mut self.forwarded else { return self.listener.accept().await };
        tokio::select! {
            Some(connection) = forwarded.recv() => Ok(connection),
            accepted = self.listener.accept() => accepted,
        }
    }
}

impl From<TcpListener> for PortConnections {
    fn from(listener: TcpListener) -> Self {
        Self { listener, forwarded: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_forwarded_connection_is_accepted_with_the_address_of_its_client() {
        let (port, other) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let direct = port.local_addr().unwrap();
        let (hand, forwarded) = mpsc::channel(1);
        let mut incoming = PortConnections::with_forwarded(port, forwarded);

        let client: SocketAddr = "192.0.2.7:999".parse().unwrap();
        let _far = TcpStream::connect(other.local_addr().unwrap()).await.unwrap();
        hand.send((other.accept().await.unwrap().0, client)).await.unwrap();
        assert_eq!(incoming.accept().await.unwrap().1, client);

        let near = TcpStream::connect(direct).await.unwrap();
        assert_eq!(incoming.accept().await.unwrap().1, near.local_addr().unwrap());
    }
}
