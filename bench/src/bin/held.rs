//! Holds ten thousand idle connections to a sidecar; measures memory per connection and the latency of requests on them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench::origin;
use bench::process::{Proxy, pin};
use bench::programs::{free_port, ours};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The core of the clients and the origin; the sidecar has the other one.
const LOAD_CORE: usize = 0;
const SIDECAR_CORE: usize = 1;

/// How long the sidecar may take to listen, or to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Descriptors for everything except the connections.
const OTHER_DESCRIPTORS: usize = 500;

/// The goals.
const KIB_EACH_MAX: f64 = 16.0;
const P99_MAX: Duration = Duration::from_millis(2);

/// Bytes of each response body.
const BODY_BYTES: usize = 100;

#[derive(Parser)]
#[command(about = "Holds idle connections at a sidecar, and measures their memory and the latency of requests on them")]
struct HeldConfig {
    /// Connections.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Requests on each of them, one connection after the other.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

fn main() -> anyhow::Result<ExitCode> {
    let HeldConfig { connections, rounds } = HeldConfig::parse();
    ensure!(connections > 0 && rounds > 0, "there is nothing to do");
    let connections = allowed(connections)?;
    pin(std::process::id(), LOAD_CORE)?;
    let (sidecar, address) = start()?;
    // Allocate all one-time memory before the first measurement.
    for _ in 0..100 {
        ask(&mut connect(address)?)?;
    }
    let before_kib = sidecar.resident_kib();

    let mut held = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut connection = connect(address)?;
        ask(&mut connection)?;
        held.push(connection);
    }
    let grown_kib = sidecar.resident_kib().saturating_sub(before_kib);
    let each_kib = grown_kib as f64 / connections as f64;

    let mut latencies = Vec::with_capacity(connections * rounds);
    for _ in 0..rounds {
        for connection in &mut held {
            latencies.push(ask(connection)?);
        }
    }
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let (p99, max) = (at(0.99), at(1.0));
    println!("{connections} held connections: {before_kib} KiB before them, {grown_kib} KiB more, {each_kib:.2} KiB each");
    println!("{} requests on them: p50 {:?}, p99 {p99:?}, max {max:?}", latencies.len(), at(0.5));
    let is_kept = each_kib <= KIB_EACH_MAX && p99 <= P99_MAX;
    println!("the goals are {KIB_EACH_MAX} KiB each and a p99 of {P99_MAX:?}: {}", if is_kept { "kept" } else { "missed" });
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Raises the descriptor limit to its maximum, which the sidecar inherits. Returns the number of
/// connections that it allows: a sidecar reserves half of its descriptors for its service.
fn allowed(connections: usize) -> anyhow::Result<usize> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).context("raise the limit of descriptors")?;
    let most = maximum.map_or(usize::MAX, |maximum| (maximum as usize / 2).saturating_sub(OTHER_DESCRIPTORS));
    if most < connections {
        println!("only {most} connections, because no more descriptors are allowed (ulimit -Hn)");
    }
    Ok(connections.min(most))
}

/// Starts an origin, and a sidecar in front of it without a control plane.
fn start() -> anyhow::Result<(Proxy, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen for the origin")?;
    let target = listener.local_addr()?;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| runtime.block_on(origin::serve(listener, BODY_BYTES)))
    });
    let address = free_port()?;
    let mut command = Command::new(ours("sitio-sidecar")?);
    command.env("PORT", address.port().to_string()).env("TARGET_PORT", target.port().to_string());
    command.env("SITIO_LISTEN", "127.0.0.1").env("SITIO_ADMIN_PORT", "0").env("SITIO_IDLE_TIMEOUT", "1h");
    let mut sidecar = Proxy::start(&mut command, SIDECAR_CORE)?;
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        ensure!(sidecar.poll_alive(), "the sidecar ended instead of listening at {address}");
        ensure!(Instant::now() < deadline, "the sidecar does not listen at {address} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((sidecar, address))
}

fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).context("connect to the sidecar")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends a request and returns the time until the whole response has arrived.
fn ask(stream: &mut TcpStream) -> anyhow::Result<Duration> {
    let began = Instant::now();
    stream.write_all(b"GET /held HTTP/1.1\r\nHost: shop\r\n\r\n")?;
    let mut answer = [0; 1024];
    let mut filled = 0;
    // The body consists of `x`, and no header field ends in that many.
    while !answer[..filled].ends_with(&[b'x'; BODY_BYTES]) {
        let read = stream.read(&mut answer[filled..]).context("read an answer")?;
        ensure!(read > 0, "the sidecar has closed a held connection behind {:?}", String::from_utf8_lossy(&answer[..filled]));
        filled += read;
    }
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "the sidecar answered {}", String::from_utf8_lossy(&answer[..filled]));
    Ok(began.elapsed())
}
