//! A load generator: each of its connections sends a request as soon as the previous one is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The protocol that a proxy is to speak on both of its sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 in clear, with prior knowledge.
    Http2,
}

/// A load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Concurrent connections.
    pub connections: usize,
    /// Whether a connection carries more than one request.
    pub reuse: Reuse,
    /// Requests per second over all connections; `None` for no limit.
    pub rate: Option<u64>,
}

/// Whether connections are reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Each connection carries all its requests.
    Yes,
    /// Each request has a new connection.
    No,
}

/// The result of a load.
#[derive(Debug, Default)]
pub struct LoadResult {
    /// Answered requests.
    pub requests: u64,
    /// Their latencies in microseconds, unsorted.
    pub latencies_us: Vec<u32>,
}

/// Runs the load against an address for this time; `requests` counts the answered requests as it goes.
pub async fn run(address: SocketAddr, load: Load, time: Duration, requests: Arc<AtomicU64>) -> anyhow::Result<LoadResult> {
    let deadline = Instant::now() + time;
    let mut connections = JoinSet::new();
    let pause = load.rate.map(|rate| Duration::from_secs_f64(load.connections as f64 / rate as f64));
    for number in 0..load.connections {
        let requests = Arc::clone(&requests);
        let offset = pause.map(|pause| pause.mul_f64(number as f64 / load.connections as f64));
        connections.spawn(async move { connection(address, load.reuse, offset.zip(pause), deadline, &requests).await });
    }
    let mut outcome = LoadResult::default();
    while let Some(latencies) = connections.join_next().await {
        let latencies = latencies.context("a connection's task")??;
        outcome.requests += latencies.len() as u64;
        outcome.latencies_us.extend(latencies);
    }
    Ok(outcome)
}

async fn connection(
    address: SocketAddr,
    reuse: Reuse,
    pace: Option<(Duration, Duration)>,
    deadline: Instant,
    requests: &AtomicU64,
) -> anyhow::Result<Vec<u32>> {
    let mut latencies = Vec::new();
    let mut stream = None;
    let mut buffer = vec![0; 64 * 1024];
    let mut turns = pace.map(|(offset, pause)| tokio::time::interval_at(tokio::time::Instant::now() + offset, pause));
    while Instant::now() < deadline {
        if let Some(turns) = &mut turns {
            turns.tick().await;
        }
        let began = Instant::now();
        let mut connected = match stream.take() {
            Some(connected) => connected,
            None => connect(address).await?,
        };
        request(&mut connected, reuse, &mut buffer).await?;
        latencies.push(began.elapsed().as_micros() as u32);
        requests.fetch_add(1, Ordering::Relaxed);
        if reuse == Reuse::Yes {
            stream = Some(connected);
        }
    }
    Ok(latencies)
}

async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("connect to the proxy at {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn request(stream: &mut TcpStream, reuse: Reuse, buffer: &mut [u8]) -> anyhow::Result<()> {
    const KEPT: &[u8] = b"GET /users/42?full=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: load/1.0\r\nAccept: */*\r\nX-Request-Id: 0f8fad5b\r\n\r\n";
    const CLOSED: &[u8] = b"GET /users/42?full=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: load/1.0\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    stream.write_all(if reuse == Reuse::Yes { KEPT } else { CLOSED }).await?;
    let mut filled = 0;
    let left = loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            bail!("the proxy closed the connection");
        }
        filled += read;
        if let Some(left) = left_after_head(&buffer[..filled])? {
            break left;
        }
    };
    let mut left = left;
    while left > 0 {
        let read = stream.read(buffer).await?;
        if read == 0 {
            bail!("the proxy closed the connection within a body");
        }
        left = left.saturating_sub(read);
    }
    Ok(())
}

/// Bytes of the body still to come, once the head is complete.
fn left_after_head(filled: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = filled.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&filled[..end]).context("the head is no text")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("the proxy answered {}", head.lines().next().unwrap_or_default());
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.context("the answer has no Content-Length")?;
    Ok(Some((end + 4 + length).saturating_sub(filled.len())))
}
