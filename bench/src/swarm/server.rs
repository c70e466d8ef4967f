//! The control plane as a process on its own core; its data folder survives a restart.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::process::{Proxy, pin};
use crate::programs::{free_port, ours};
use crate::swarm::api::Api;

/// How long it may take to listen.
const START_WITHIN: Duration = Duration::from_secs(20);

/// The limit of streams per address, raised because all sidecars share a few addresses.
const STREAMS_PER_ADDRESS: &str = "20000";

/// A running control plane.
pub struct Server {
    process: Proxy,
    /// Its pages and its API.
    pub api: Api,
    /// The address that sidecars attach to.
    pub stream: SocketAddr,
    data: TempDir,
    cores: Cores,
}

/// The CPU core of each process.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// The swarm's core.
    pub swarm: usize,
    /// The control plane's core.
    pub server: usize,
}

impl Server {
    /// Starts a control plane with an empty folder.
    pub fn start(cores: Cores) -> anyhow::Result<Self> {
        let (http, stream) = (free_port()?, free_port()?);
        let data = tempfile::tempdir()?;
        let process = start(http, stream, data.path().join("data"), cores)?;
        let mut server = Self { process, api: Api(http), stream, data, cores };
        server.wait()?;
        Ok(server)
    }

    /// Kills it, and starts another one on the same ports with the same data.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill();
        self.process = start(self.api.0, self.stream, self.data.path().join("data"), self.cores)?;
        self.wait()
    }

    /// CPU time so far.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.process.cpu()
    }

    /// Resident memory now, KiB.
    pub fn resident_kib(&self) -> u64 {
        self.process.resident_kib()
    }

    /// Peak resident memory, KiB.
    pub fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_WITHIN;
        while std::net::TcpStream::connect(self.api.0).is_err() {
            ensure!(self.process.poll_alive(), "the control plane ended instead of listening");
            ensure!(Instant::now() < deadline, "the control plane does not listen after {START_WITHIN:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// Starts it pinned to its core: it inherits our affinity, so it sees one core when it chooses its number of threads.
fn start(http: SocketAddr, stream: SocketAddr, data: PathBuf, cores: Cores) -> anyhow::Result<Proxy> {
    let mut command = Command::new(ours("sitio-control-plane")?);
    command
        .env("SITIO_HTTP_ADDR", http.to_string())
        .env("SITIO_GRPC_ADDR", stream.to_string())
        .env("SITIO_DATA_DIR", data)
        .env("SITIO_STREAMS_PER_ADDRESS_MAX", STREAMS_PER_ADDRESS)
        .env("RUST_LOG", "warn");
    pin(std::process::id(), cores.server)?;
    let process = Proxy::start(&mut command, cores.server);
    pin(std::process::id(), cores.swarm)?;
    process.context("start the control plane")
}
