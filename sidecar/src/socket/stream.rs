//! A connected socket: TCP, or a Unix socket to a service in the same pod.

use std::io::{self, IoSlice};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use rustix::net::RecvFlags;

/// The silence after which a connection is probed, unless it is configured.
pub const KEEPALIVE: Duration = Duration::from_secs(60);

/// The kernel counts in whole seconds, refuses 0, and refuses more than this (`MAX_TCP_KEEPIDLE` of Linux).
const KEEPALIVE_MIN: Duration = Duration::from_secs(1);
const KEEPALIVE_MAX: Duration = Duration::from_secs(32_767);

/// Unanswered probes after which a connection is broken.
const PROBES_MAX: u32 = 4;

/// TCP keepalive, because a machine that disappears closes no connection. The kernel sends probes after this silence,
/// and gives up after as long again.
fn keepalive(silence: Duration) -> TcpKeepalive {
    let seconds = |time: Duration| time.clamp(KEEPALIVE_MIN, KEEPALIVE_MAX);
    TcpKeepalive::new().with_time(seconds(silence)).with_interval(seconds(silence / PROBES_MAX)).with_retries(PROBES_MAX)
}

/// Makes connections that this socket accepts end twice the silence after their peer was last heard of, also while the
/// peer should take data: keepalive alone does not probe then, and the kernel would go on for a quarter of an hour
/// (RFC 5482 describes the user timeout).
pub fn end_with_vanished_peers(listener: &Socket, silence: Duration) -> io::Result<()> {
    listener.set_tcp_keepalive(&keepalive(silence))?;
    #[cfg(target_os = "linux")]
    listener.set_tcp_user_timeout(Some(2 * silence))?;
    Ok(())
}

/// A connected socket. The enum costs a well-predicted branch instead of a dynamic call.
#[derive(Debug)]
pub enum Stream {
    /// Over IPv4 or IPv6. Small writes are sent immediately.
    Tcp(TcpStream),
    /// Within the machine.
    Unix(UnixStream),
}

/// Calls the same method on either kind of socket.
macro_rules! either {
    ($stream:expr, $socket:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($socket) => $call,
            Stream::Unix($socket) => $call,
        }
    };
}

impl Stream {
    /// A socket accepted from a listener that was passed to [`send_at_once`].
    pub fn accepted(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }

    /// Ready when there are bytes or an end to read.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_read_ready(cx))
    }

    /// Whether the kernel knows that the connection is broken: the peer has answered earlier writes with a reset.
    pub fn is_broken(&self) -> bool {
        let error = match self {
            Self::Tcp(socket) => socket.take_error(),
            Self::Unix(socket) => socket.take_error(),
        };
        matches!(error, Ok(Some(_)) | Err(_))
    }

    /// Enables TCP keepalive. A Unix socket does not need it, because its peer cannot disappear silently.
    pub fn keep_alive(&self) {
        if let Self::Tcp(socket) = self {
            // On failure, a lost peer is detected when something is sent to it.
            let _ = SockRef::from(socket).set_tcp_keepalive(&keepalive(KEEPALIVE));
        }
    }

    /// Lets the peer pause for as long as it likes while there is data for it, as long as its machine is there.
    pub fn allow_pauses(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(socket) = self {
            // On failure, the user timeout stays.
            let _ = SockRef::from(socket).set_tcp_user_timeout(None);
        }
    }

    /// Makes closing the connection send a reset, so that the peer does not mistake partial data for the whole.
    pub fn reset_on_close(&self) {
        // This fails on a connection that is already reset, which is the desired state. A Unix socket has
        // no reset, and is only used to the service.
        if let Self::Tcp(socket) = self {
            let _ = socket.set_zero_linger();
        }
    }
}

/// Sets `TCP_NODELAY` on the listener. Accepted sockets inherit it, which saves a system call per connection.
pub fn send_at_once(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).set_tcp_nodelay(true)
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        // Without this option, a head and a body in two writes cost a delayed acknowledgement. If it
        // cannot be set, the delay remains.
        let _ = socket.set_nodelay(true);
        Self::Tcp(socket)
    }
}

impl From<UnixStream> for Stream {
    fn from(socket: UnixStream) -> Self {
        Self::Unix(socket)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, socket => socket.as_fd())
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_read(cx, room))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_shutdown(cx))
    }
}

/// Whether the kernel has neither data nor an end of the connection to read.
pub fn has_no_input(stream: &Stream) -> bool {
    let mut byte = [0_u8];
    let peeked = rustix::net::recv(stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
    matches!(peeked, Err(rustix::io::Errno::AGAIN))
}

/// Whether the kernel has an end of the connection to read, and no data before it.
pub fn is_at_end(stream: &Stream) -> bool {
    let mut byte = [0_u8];
    match rustix::net::recv(stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, received)) => received == 0,
        Err(error) => error != rustix::io::Errno::AGAIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_sockets_send_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        send_at_once(&listener).unwrap();
        let _caller = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(listener.accept().unwrap().0.nodelay().unwrap());
    }
}
