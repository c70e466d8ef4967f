//! What replicas say to each other on their own port: forwarded connections, and copies of the store.
//!
//! The leader sends a nonce. The other replica answers what it wants, with an HMAC by the secret in the lease: only those
//! who may read the lease on NATS are served, and nothing that is overheard can be used again.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use data_encoding::HEXLOWER;
use ring::hmac;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub mod client;
pub mod forward;
mod local_pages;
pub mod server;

/// Bytes of a nonce: 256 random bits never repeat.
const NONCE_BYTES: usize = 32;

/// Bytes of a request. It has an address and an HMAC.
const REQUEST_BYTES_MAX: usize = 1024;

/// How long the greeting may take. It is one round trip between two pods.
const GREETING_WITHIN: Duration = Duration::from_secs(5);

/// What another replica wants of the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// To hand over a connection to the pages and the API.
    Http,
    /// To hand over a sidecar's connection.
    Grpc,
    /// To hand over a connection to the admission webhook.
    Webhook,
    /// A copy of the store.
    Copy,
}

#[derive(Debug, Serialize, Deserialize)]
struct PeerRequest {
    purpose: Purpose,
    /// The client whose connection it is; for a copy, the replica itself.
    client: SocketAddr,
    hmac: String,
}

fn signed(nonce: &[u8], purpose: Purpose, client: SocketAddr) -> Vec<u8> {
    [nonce, format!("{purpose:?} {client}").as_bytes()].concat()
}

/// A new secret for a lease.
pub fn new_secret() -> String {
    HEXLOWER.encode(&rand::random::<[u8; 32]>())
}

/// Greets the leader.
async fn greet(stream: &mut TcpStream, secret: &str, purpose: Purpose, client: SocketAddr) -> io::Result<()> {
    let mut nonce = [0; NONCE_BYTES];
    stream.read_exact(&mut nonce).await?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, &signed(&nonce, purpose, client));
    let request = serde_json::to_vec(&PeerRequest { purpose, client, hmac: HEXLOWER.encode(tag.as_ref()) })?;
    stream.write_u16(request.len() as u16).await?;
    stream.write_all(&request).await
}

/// Answers a greeting: what the replica wants, for which client.
async fn receive_greeting(stream: &mut TcpStream, secret: &str) -> io::Result<(Purpose, SocketAddr)> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let nonce = rand::random::<[u8; NONCE_BYTES]>();
    stream.write_all(&nonce).await?;
    let length = usize::from(stream.read_u16().await?);
    if length > REQUEST_BYTES_MAX {
        return Err(refused("the request is too long"));
    }
    let mut request = vec![0; length];
    stream.read_exact(&mut request).await?;
    let PeerRequest { purpose, client, hmac } = serde_json::from_slice(&request)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = HEXLOWER.decode(hmac.as_bytes()).unwrap_or_default();
    hmac::verify(&key, &signed(&nonce, purpose, client), &tag).map_err(|_| refused("the HMAC is wrong"))?;
    Ok((purpose, client))
}
