//! A sidecar's connection with or without TLS, as its first byte shows.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use platform::port_connections::PortConnections;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::grpc::connections::{ConnectionSource, KnownSecurity, TransportSecurity};

/// The first byte of a TLS connection: the content type `handshake` (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// A port that accepts TLS, and plaintext beside it.
pub struct SecuredListener {
    /// The port.
    pub connections: PortConnections,
    /// Accepts TLS; without it, everything is plaintext.
    pub acceptor: Option<TlsAcceptor>,
}

/// A connection of a [`SecuredListener`].
pub struct SecuredConnection {
    state: State,
    security: KnownSecurity,
}

enum State {
    /// Nothing has arrived.
    New(TcpStream, TlsAcceptor),
    Handshake(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
    Plaintext(TcpStream),
    /// The handshake has failed.
    Failed,
}

impl ConnectionSource for SecuredListener {
    type Io = SecuredConnection;

    async fn accept(&mut self) -> io::Result<(SecuredConnection, IpAddr)> {
        let (stream, peer) = self.connections.accept().await?;
        stream.set_nodelay(true)?;
        let (state, security) = match &self.acceptor {
            Some(acceptor) => (State::New(stream, acceptor.clone()), OnceLock::new()),
            None => (State::Plaintext(stream), OnceLock::from(TransportSecurity::Plaintext)),
        };
        // A port of both IP versions reports 127.0.0.1 as ::ffff:127.0.0.1.
        Ok((SecuredConnection { state, security: Arc::new(security) }, peer.ip().to_canonical()))
    }

    fn security(io: &SecuredConnection) -> KnownSecurity {
        Arc::clone(&io.security)
    }
}

impl SecuredConnection {
    /// Waits until bytes of the application can be read and written.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match std::mem::replace(&mut self.state, State::Failed) {
                State::New(stream, acceptor) => {
                    let mut first = [0];
                    let Poll::Ready(peeked) = stream.poll_peek(cx, &mut ReadBuf::new(&mut first)) else {
                        self.state = State::New(stream, acceptor);
                        return Poll::Pending;
                    };
                    self.state = if peeked? == 1 && first[0] == HANDSHAKE {
                        State::Handshake(Box::new(acceptor.accept(stream)))
                    } else {
                        let _ = self.security.set(TransportSecurity::Plaintext);
                        State::Plaintext(stream)
                    };
                }
                State::Handshake(mut handshake) => match Pin::new(&mut *handshake).poll(cx) {
                    Poll::Pending => {
                        self.state = State::Handshake(handshake);
                        return Poll::Pending;
                    }
                    Poll::Ready(opened) => {
                        let opened = opened.inspect_err(|why| tracing::debug!(%why, "a TLS handshake of a sidecar failed"))?;
                        let _ = self.security.set(TransportSecurity::Tls);
                        self.state = State::Tls(Box::new(opened));
                    }
                },
                State::Failed => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                open @ (State::Tls(_) | State::Plaintext(_)) => {
                    self.state = open;
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

/// Calls the same method on the open connection, or waits until it is open.
macro_rules! when_open {
    ($this:expr, $cx:expr, $io:ident => $call:expr) => {{
        let this = $this.get_mut();
        loop {
            match &mut this.state {
                State::Plaintext($io) => {
                    let $io = Pin::new($io);
                    return $call;
                }
                State::Tls($io) => {
                    let $io = Pin::new(&mut **$io);
                    return $call;
                }
                _ => ready!(this.poll_open($cx))?,
            }
        }
    }};
}

impl AsyncRead for SecuredConnection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        when_open!(self, cx, io => io.poll_read(cx, into))
    }
}

impl AsyncWrite for SecuredConnection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        when_open!(self, cx, io => io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        when_open!(self, cx, io => io.poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        when_open!(self, cx, io => io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A connection that never said anything is closed by dropping it.
        match &mut self.get_mut().state {
            State::Plaintext(io) => Pin::new(io).poll_shutdown(cx),
            State::Tls(io) => Pin::new(&mut **io).poll_shutdown(cx),
            State::New(..) | State::Handshake(_) | State::Failed => Poll::Ready(Ok(())),
        }
    }
}
