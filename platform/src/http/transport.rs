//! What carries HTTP: a socket with a write timeout, plain or below another layer such as TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::connection_slots::ConnectionActivity;

/// A layer between the socket and HTTP.
pub trait Transport: Clone + Send + Sync + 'static {
    /// The stream that carries HTTP.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;

    /// Opens the layer on a new connection, for example by a TLS handshake. The server limits its time.
    fn open(&self, socket: BoundedSocket) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// No layer: HTTP on the socket itself.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Transport for Plain {
    type Stream = BoundedSocket;

    async fn open(&self, socket: BoundedSocket) -> io::Result<BoundedSocket> {
        Ok(socket)
    }
}

/// A socket. A write without progress for longer than the limit fails.
#[derive(Debug)]
pub struct BoundedSocket {
    stream: TcpStream,
    within: Duration,
    activity: Arc<ConnectionActivity>,
    /// Set while the peer accepts nothing.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl BoundedSocket {
    pub(super) fn new(stream: TcpStream, within: Duration, activity: &Arc<ConnectionActivity>) -> Self {
        Self { stream, within, activity: Arc::clone(activity), deadline: None }
    }

    fn timed(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.deadline = None;
            self.activity.moved();
            return written;
        }
        let within = self.within;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the client does not read the response");
        deadline.as_mut().poll(cx).map(|()| Err(late()))
    }
}

impl AsyncRead for BoundedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for BoundedSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.timed(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.timed(cx, written)
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
