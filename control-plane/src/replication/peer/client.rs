//! The side of a replica that wants something of the leader.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::replication::lease::LeaseHolder;
use crate::replication::peer::{GREETING_WITHIN, Purpose, greet};

/// How long a copy may pause. The leader writes the whole copy to its disk before the first byte.
const COPY_PAUSE_MAX: Duration = Duration::from_secs(600);

/// Bytes that are read of a copy at a time.
const COPY_CHUNK_BYTES: usize = 256 << 10;

/// Connects to the leader for a client's connection, whose bytes can then be forwarded.
pub async fn connect(leader: &LeaseHolder, purpose: Purpose, client: SocketAddr) -> io::Result<TcpStream> {
    let connecting = async {
        let mut stream = TcpStream::connect(&leader.address).await?;
        stream.set_nodelay(true)?;
        greet(&mut stream, &leader.secret, purpose, client).await?;
        Ok(stream)
    };
    tokio::time::timeout(GREETING_WITHIN, connecting).await.map_err(|_| io::ErrorKind::TimedOut)?
}

/// Copies the leader's store into a new file.
pub async fn copy_store(leader: &LeaseHolder, into: &Path) -> io::Result<u64> {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut stream = connect(leader, Purpose::Copy, here).await?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the leader sends nothing");
    let bytes = tokio::time::timeout(COPY_PAUSE_MAX, stream.read_u64()).await.map_err(late)??;
    let mut file = File::create(into).await?;
    let mut chunk = vec![0; COPY_CHUNK_BYTES];
    let mut rest = bytes;
    while rest > 0 {
        let wanted = chunk.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        let read = tokio::time::timeout(COPY_PAUSE_MAX, stream.read(&mut chunk[..wanted])).await.map_err(late)??;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all(&chunk[..read]).await?;
        rest -= read as u64;
    }
    file.sync_all().await?;
    Ok(bytes)
}
