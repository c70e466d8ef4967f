//! Accepts the connections of sidecars, as many as can be afforded in all and from one address.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::transport::server::Connected;

use crate::ingest::addresses::{Addresses, Place};
use crate::plane::ControlPlane;

/// How long to wait when the system has no connection for us, for want of descriptors for example.
const BREATHER: Duration = Duration::from_millis(100);

/// Where connections come from: a socket of the system, or one of a simulated network.
pub trait Door: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and who is at its other end.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, IpAddr)>> + Send;
}

impl Door for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, IpAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer.ip()))
    }
}

/// A connection that holds its places until it ends.
pub(super) struct Connection<Io> {
    stream: Io,
    peer: IpAddr,
    _places: (OwnedSemaphorePermit, Place),
}

/// Connections as they come, `max` at a time; more wait in the system's queue. From one address, as many as there is
/// room for; more are closed.
pub(super) fn connections<D: Door>(
    door: D,
    max: usize,
    addresses: Addresses,
    plane: Arc<ControlPlane>,
) -> impl Stream<Item = io::Result<Connection<D::Io>>> {
    let room = Arc::new(Semaphore::new(max));
    unfold((door, room, addresses, plane), async |(mut door, room, addresses, plane)| {
        let of_all = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, peer, of_address) = loop {
            match door.accept().await {
                Ok((stream, peer)) => match addresses.place(peer) {
                    Some(of_address) => break (stream, peer, of_address),
                    None => plane.stream_counts.connections_crowded.up(),
                },
                Err(error) => {
                    tracing::warn!(%error, "a sidecar's connection could not be accepted");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        };
        let connection = Connection { stream, peer, _places: (of_all, of_address) };
        Some((Ok(connection), (door, room, addresses, plane)))
    })
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

impl<Io> Connected for Connection<Io> {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer(self.peer)
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Connection<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Connection<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
