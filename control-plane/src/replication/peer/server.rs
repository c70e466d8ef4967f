//! The side of the leader: takes forwarded connections, and sends copies of the store.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use platform::port_connections::{Forwarded, PortConnections};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::replication::peer::{GREETING_WITHIN, Purpose, receive_greeting};
use crate::store::redb::RedbStore;

/// Greetings at a time. All sidecars of a large mesh attach again at once after a change of the leader.
const GREETINGS_MAX: usize = 1024;

/// Copies at a time: each takes the size of the store on the disk, and the disk's bandwidth.
const COPIES_MAX: usize = 1;

/// Bytes of a copy that are sent at a time, and how long the other replica may take to read them.
const COPY_CHUNK_BYTES: usize = 256 << 10;
const COPY_READ_WITHIN: Duration = Duration::from_secs(30);

/// What the leader does with the connections of other replicas.
#[derive(Debug, Clone)]
pub struct PeerServer {
    /// The secret in the lease.
    pub secret: String,
    /// Takes connections to the pages and the API.
    pub http: mpsc::Sender<Forwarded>,
    /// Takes the connections of sidecars.
    pub grpc: mpsc::Sender<Forwarded>,
    /// Takes the connections of the Kubernetes API server to the webhook.
    pub webhook: mpsc::Sender<Forwarded>,
    /// What is copied.
    pub store: Arc<RedbStore>,
    /// Where a copy is put together.
    pub data_dir: PathBuf,
}

impl PeerServer {
    /// Serves other replicas until drained.
    pub async fn run(self, listener: TcpListener, drain: CancellationToken) {
        let (greetings, copies) = (Arc::new(Semaphore::new(GREETINGS_MAX)), Arc::new(Semaphore::new(COPIES_MAX)));
        let (tasks, mut connections) = (TaskTracker::new(), PortConnections::from(listener));
        loop {
            let (stream, peer) = tokio::select! {
                accepted = connections.next() => accepted,
                () = drain.cancelled() => break,
            };
            let Ok(greeting) = Arc::clone(&greetings).try_acquire_owned() else { continue };
            let (server, copies, drain) = (self.clone(), Arc::clone(&copies), drain.clone());
            tasks.spawn(async move {
                let serving = async {
                    let mut stream = stream;
                    stream.set_nodelay(true)?;
                    let greeted = tokio::time::timeout(GREETING_WITHIN, receive_greeting(&mut stream, &server.secret)).await;
                    drop(greeting);
                    let (purpose, client) = greeted.map_err(|_| io::ErrorKind::TimedOut)??;
                    server.serve(stream, purpose, client, &copies).await
                };
                tokio::select! {
                    ended = serving => if let Err(error) = ended {
                        tracing::debug!(%error, %peer, "a connection of another replica was refused or broke");
                    },
                    () = drain.cancelled() => {}
                }
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn serve(&self, stream: TcpStream, purpose: Purpose, client: SocketAddr, copies: &Semaphore) -> io::Result<()> {
        let closed = |_| io::ErrorKind::ConnectionAborted.into();
        match purpose {
            Purpose::Http => self.http.send((stream, client)).await.map_err(closed),
            Purpose::Grpc => self.grpc.send((stream, client)).await.map_err(closed),
            Purpose::Webhook => self.webhook.send((stream, client)).await.map_err(closed),
            Purpose::Copy => {
                let _one_at_a_time = copies.acquire().await.map_err(io::Error::other)?;
                self.send_copy(stream).await
            }
        }
    }

    async fn send_copy(&self, mut stream: TcpStream) -> io::Result<()> {
        let copy = TemporaryFile(self.data_dir.join("sitio.redb.sent"));
        let (store, path) = (Arc::clone(&self.store), copy.0.clone());
        let copied = tokio::task::spawn_blocking(move || store.copy_to(&path)).await.map_err(io::Error::other)?;
        copied.map_err(io::Error::other)?;
        let mut file = File::open(&copy.0).await?;
        let bytes = file.metadata().await?.len();
        stream.write_u64(bytes).await?;
        let mut chunk = vec![0; COPY_CHUNK_BYTES];
        loop {
            let read = file.read(&mut chunk).await?;
            if read == 0 {
                break;
            }
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the replica reads nothing");
            tokio::time::timeout(COPY_READ_WITHIN, stream.write_all(&chunk[..read])).await.map_err(late)??;
        }
        stream.shutdown().await?;
        tracing::info!(bytes, "another replica has copied the store");
        Ok(())
    }
}

/// A file that is deleted when it is no longer needed, however that comes.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
