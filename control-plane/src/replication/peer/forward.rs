//! The ports of a replica that does not lead: what arrives is forwarded to the leader, byte by byte.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use platform::port_connections::PortConnections;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::replication::lease::LeaseHolder;
use crate::replication::peer::Purpose;
use crate::replication::peer::client::connect;
use crate::replication::peer::local_pages::{LocalPages, answer, requested, unavailable};
use crate::replication::progress::Progress;

/// Connections that one port forwards at a time: as many as a leader's port for sidecars accepts.
const CONNECTIONS_MAX: usize = 2 * crate::model::limits::PODS_MAX;

/// Bytes that are buffered in each direction of a connection.
const BUFFER_BYTES: usize = 4 << 10;

/// How long a sidecar's connection is held while no replica leads: a sidecar waits for five seconds.
const HOLD_SIDECAR: Duration = Duration::from_secs(5);

/// How long any other connection is held: long enough for a leader that is drained to be replaced.
const HOLD_OTHER: Duration = Duration::from_secs(2);

/// The pause between two attempts to reach a leader.
const RETRY: Duration = Duration::from_millis(200);

/// Forwards connections to whichever replica leads.
#[derive(Debug, Clone)]
pub struct Forwarder {
    /// Who leads, as the lease says.
    pub leader: watch::Receiver<Option<LeaseHolder>>,
    /// How far this replica is.
    pub progress: Arc<Progress>,
    /// The name of this replica.
    pub name: String,
    /// What happens to connections while no replica leads.
    pub without_leader: WithoutLeader,
}

/// What happens to connections while no replica leads, as far as this one knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutLeader {
    /// They wait for one.
    Wait,
    /// They are closed, so that clients try another replica: this one does not know yet who leads.
    Close,
}

impl Forwarder {
    /// Forwards the connections of a port until drained; then all of them end at once, and clients connect again.
    pub async fn run(self, listener: TcpListener, purpose: Purpose, drain: CancellationToken) {
        let (tasks, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        let mut connections = PortConnections::from(listener);
        loop {
            let (stream, client) = tokio::select! {
                accepted = connections.next() => accepted,
                () = drain.cancelled() => break,
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
            let (forwarder, drain) = (self.clone(), drain.clone());
            tasks.spawn(async move {
                tokio::select! {
                    ended = forwarder.serve(stream, client, purpose) => if let Err(error) = ended {
                        tracing::debug!(%error, %client, "a forwarded connection ended with an error");
                    },
                    () = drain.cancelled() => {}
                }
                drop(slot);
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn serve(&self, mut stream: TcpStream, client: SocketAddr, purpose: Purpose) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if purpose == Purpose::Http
            && let Some(page) = requested(&stream).await?
        {
            let pages = LocalPages { leader: self.leader(), applied: self.progress.applied(), known: self.progress.known() };
            return answer(&mut stream, page, &pages).await;
        }
        let mut forwarded = match self.connect(client, purpose).await {
            Ok(forwarded) => forwarded,
            Err(error) if purpose == Purpose::Http => {
                tracing::debug!(%error, "cannot connect to the leader");
                return unavailable(&mut stream).await;
            }
            Err(error) => return Err(error),
        };
        tokio::io::copy_bidirectional_with_sizes(&mut stream, &mut forwarded, BUFFER_BYTES, BUFFER_BYTES).await.map(drop)
    }

    /// Connects to the leader, and waits for one if there is none: a sidecar that found none would wait longer each time.
    async fn connect(&self, client: SocketAddr, purpose: Purpose) -> io::Result<TcpStream> {
        let hold = match self.without_leader {
            WithoutLeader::Close => Duration::ZERO,
            WithoutLeader::Wait if purpose == Purpose::Grpc => HOLD_SIDECAR,
            WithoutLeader::Wait => HOLD_OTHER,
        };
        let deadline = Instant::now() + hold;
        let mut changes = self.leader.clone();
        loop {
            changes.borrow_and_update();
            let connecting = async {
                match self.leader() {
                    Some(leader) => connect(&leader, purpose, client).await,
                    None => Err(io::Error::new(io::ErrorKind::NotConnected, "no replica leads")),
                }
            };
            // A leader that is leaving accepts connections and does not serve them: its successor does.
            let connected = tokio::select! {
                connected = connecting => connected,
                Ok(()) = changes.changed() => continue,
            };
            if connected.is_ok() || Instant::now() >= deadline {
                return connected;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The leader, unless the lease still names this replica, whose own lead has just ended.
    fn leader(&self) -> Option<LeaseHolder> {
        self.leader.borrow().clone().filter(|leader| leader.replica != self.name)
    }
}
