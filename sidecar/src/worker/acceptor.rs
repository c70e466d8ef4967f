//! Accepts connections on one thread, and hands each to the worker with the fewest.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::exchange::context::WorkerContext;
use crate::exchange::error_response;
use crate::exchange::shared_counters::SharedCounters;
use crate::head::write;
use crate::head::write::{BodyPresence, Persistence};
use crate::socket::descriptors::is_shortage;
use crate::worker::balancer::{AcceptedConnection, ConnectionBalancer, ConnectionGuard};

/// The first wait when no descriptors are left. An exchange must end before accepting works again.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(10);

/// The longest wait, so that accepting resumes promptly.
const SHORTAGE_PAUSE_MAX: Duration = Duration::from_millis(250);

/// The most connections in the kernel's queue when the listener is closed (`somaxconn`).
const WAITING_MAX: usize = 4096;

/// How long a handshake may take that is in progress when the listener closes: two one-way trips on a slow network.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(200);

/// Refused connections that get time to read the reason; each holds a descriptor meanwhile. The others are
/// closed at once, which may destroy the response in transit.
const REJECTED_MAX: usize = 16;

/// How long each of them gets, and how many of its bytes are discarded meanwhile.
const REJECTED_TIMEOUT: Duration = Duration::from_secs(1);
const REJECTED_BYTES_MAX: u64 = 64 * 1024;

/// Accepts until `shut` is cancelled. `mine` serves the connections of slot 0, which belongs to this thread.
pub async fn run(
    listener: std::net::TcpListener,
    balancer: Arc<ConnectionBalancer>,
    worker: &WorkerContext,
    mine: impl Fn(AcceptedConnection<TcpStream>, ConnectionGuard),
    shut: CancellationToken,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let mut dispatcher = Dispatcher { balancer, worker, mine, rejected: JoinSet::new() };
    let mut shortage = None;
    while let Some(accepted) = shut.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((socket, address)) => {
                if shortage.take().is_some() {
                    tracing::info!("accepting connections again");
                }
                dispatcher.dispatch(arrival(socket, address));
            }
            Err(error) if is_shortage(&error) => {
                if shortage.is_none() {
                    tracing::warn!(%error, "cannot accept connections; raise the descriptor limit (ulimit -n)");
                }
                let pause = shortage.map_or(SHORTAGE_PAUSE, |before: Duration| SHORTAGE_PAUSE_MAX.min(before * 2));
                shut.run_until_cancelled(tokio::time::sleep(pause)).await;
                shortage = Some(pause);
            }
            // The connection was gone before it was accepted. This does not affect the next one.
            Err(_) => {}
        }
    }
    drop_new_syns(&listener);
    dispatcher.accept_remaining(listener).await
}

/// Drops new SYNs, but lets handshakes in progress complete. A dropped SYN is repeated after a second and
/// finds the port closed. Without this filter, a connection made between the last accept and the close
/// would be reset.
fn drop_new_syns(listener: &TcpListener) {
    // Byte 13 of a TCP header contains the flags. 0x12 masks SYN and ACK; a new connection has only SYN.
    let load_flags = SockFilter::new(0x30, 0, 0, 13);
    let mask = SockFilter::new(0x54, 0, 0, 0x12);
    let is_syn = SockFilter::new(0x15, 0, 1, 0x02);
    let (drop, pass) = (SockFilter::new(0x06, 0, 0, 0), SockFilter::new(0x06, 0, 0, u32::MAX));
    if let Err(error) = SockRef::from(listener).attach_filter(&[load_flags, mask, is_syn, drop, pass]) {
        tracing::debug!(%error, "connections opened while the port closes may be reset");
    }
}

/// Assigns or refuses accepted connections.
struct Dispatcher<'a, Mine> {
    balancer: Arc<ConnectionBalancer>,
    worker: &'a WorkerContext,
    mine: Mine,
    rejected: JoinSet<()>,
}

impl<Mine: Fn(AcceptedConnection<TcpStream>, ConnectionGuard)> Dispatcher<'_, Mine> {
    fn dispatch(&mut self, arrival: AcceptedConnection<TcpStream>) {
        let Some(guard) = self.balancer.take() else { return self.reject(arrival.socket) };
        if guard.number() == 0 {
            return (self.mine)(arrival, guard);
        }
        // A connection that cannot be handed over is closed, and its slot is free again.
        let Ok(socket) = arrival.socket.into_std() else { return };
        match self.balancer.send(guard.number(), AcceptedConnection { socket, caller: arrival.caller }) {
            Ok(()) => guard.hand_over(),
            Err(_) => SharedCounters::count(&self.worker.counters().overloaded),
        }
    }

    /// Sends the reason, if the socket accepts all of it at once, and closes.
    fn reject(&mut self, stream: TcpStream) {
        SharedCounters::count(&self.worker.counters().overloaded);
        let mut answer = Vec::new();
        write::answer(&mut answer, &error_response::overloaded(), BodyPresence::Sent, Persistence::Close);
        let is_sent = stream.try_write(&answer).is_ok_and(|written| written == answer.len());
        while self.rejected.try_join_next().is_some() {}
        if is_sent && self.rejected.len() < REJECTED_MAX {
            self.rejected.spawn_local(drain_rejected(stream));
        }
    }

    /// Accepts the connections that the kernel has completed. Closing the listener would reset them and
    /// lose their requests.
    async fn accept_remaining(mut self, listener: TcpListener) -> io::Result<()> {
        let until = tokio::time::Instant::now() + HANDSHAKE_TIMEOUT;
        while let Ok(Ok((socket, address))) = tokio::time::timeout_at(until, listener.accept()).await {
            self.dispatch(arrival(socket, address));
        }
        let listener = listener.into_std()?;
        for _ in 0..WAITING_MAX {
            let Ok((socket, address)) = listener.accept() else { break };
            socket.set_nonblocking(true)?;
            self.dispatch(arrival(TcpStream::from_std(socket)?, address));
        }
        Ok(())
    }
}

/// Converts the address of an IPv4 caller on an IPv6 socket back to IPv4.
fn arrival(socket: TcpStream, address: SocketAddr) -> AcceptedConnection<TcpStream> {
    AcceptedConnection { socket, caller: address.ip().to_canonical() }
}

/// Waits until a refused connection has read the reason. Closing with unread input would send a reset.
async fn drain_rejected(mut stream: TcpStream) {
    let read_to_end = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(REJECTED_BYTES_MAX), &mut tokio::io::sink()).await
    };
    // The result does not matter.
    let _ = tokio::time::timeout(REJECTED_TIMEOUT, read_to_end).await;
}
