//! Accepts the connections of sidecars, within limits in total and per address.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use platform::connection_slots::{ConnectionActivity, ConnectionSlot, ConnectionSlots};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

use crate::state::AppState;

/// Pause after a failed accept, for example for lack of file descriptors.
const BREATHER: Duration = Duration::from_millis(100);

/// How long a connection may have no stream: before its first call (preface and headers), and
/// between two calls. A sidecar calls as soon as it is connected.
const STREAM_WITHIN: Duration = Duration::from_secs(10);

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportSecurity {
    /// By TLS.
    Tls,
    /// Not at all.
    Plaintext,
}

/// How a connection is protected, once its first bytes have arrived.
pub type KnownSecurity = Arc<OnceLock<TransportSecurity>>;

/// A source of connections: a TCP listener, or a simulated network.
pub trait ConnectionSource: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Accepts the next connection, and returns the address of its peer.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, IpAddr)>> + Send;

    /// How the connection is protected: not at all, unless the source says so.
    fn security(_: &Self::Io) -> KnownSecurity {
        Arc::new(OnceLock::from(TransportSecurity::Plaintext))
    }
}

/// A connection that holds its place until it ends or is evicted. Reads fail once it has had no
/// stream for too long.
pub(super) struct LimitedConnection<Io> {
    stream: Io,
    address: IpAddr,
    security: KnownSecurity,
    /// Whether anything was written: before that, a handshake may be under way, in which nothing is read.
    is_open: bool,
    place: ConnectionSlot,
    gives_way: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Set while no stream is open.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// Accepts connections as they come. When no place is left, the oldest connection without a stream
/// is closed; if there is none, the new one is.
pub(super) fn connections<D: ConnectionSource>(
    source: D,
    slots: ConnectionSlots,
    state: Arc<AppState>,
) -> impl Stream<Item = io::Result<LimitedConnection<D::Io>>> {
    unfold((source, slots, state), async |(mut source, slots, state)| {
        let (stream, address, admitted) = loop {
            match source.accept().await {
                Ok((stream, address)) => match slots.place(address) {
                    Some(admitted) => break (stream, address, admitted),
                    None => state.stream_counts.connections_crowded.up(),
                },
                Err(error) => {
                    tracing::warn!(%error, "a sidecar's connection could not be accepted");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        };
        let gives_way = Box::pin(admitted.closed().clone().cancelled_owned());
        let security = D::security(&stream);
        let connection =
            LimitedConnection { stream, address, security, is_open: false, place: admitted, gives_way, deadline: None };
        Some((Ok(connection), (source, slots, state)))
    })
}

impl<Io> LimitedConnection<Io> {
    /// Fails if the place was given away, or if the connection has had no stream for too long.
    fn poll_evicted(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.gives_way.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "evicted for another connection"));
        }
        if self.place.activity().is_under_way() {
            self.deadline = None;
            return Ok(());
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(STREAM_WITHIN)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, "no stream was opened in time")),
            Poll::Pending => Ok(()),
        }
    }
}

/// The peer of a connection.
#[derive(Debug, Clone)]
pub(super) struct StreamPeer {
    pub(super) address: IpAddr,
    pub(super) security: KnownSecurity,
    pub(super) activity: Arc<ConnectionActivity>,
}

impl<Io> Connected for LimitedConnection<Io> {
    type ConnectInfo = StreamPeer;

    fn connect_info(&self) -> StreamPeer {
        let security = Arc::clone(&self.security);
        StreamPeer { address: self.address, security, activity: Arc::clone(self.place.activity()) }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for LimitedConnection<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_evicted(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<Io> LimitedConnection<Io> {
    /// Before the first byte is written, writes wait for the handshake, so they notice an eviction as reads do.
    fn poll_opening<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_open = true;
        } else if !self.is_open {
            self.poll_evicted(cx)?;
        }
        written
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for LimitedConnection<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_opening(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.poll_opening(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.poll_opening(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_without_a_call_has_ten_seconds() {
        assert_eq!(STREAM_WITHIN, Duration::from_secs(10));
    }
}
