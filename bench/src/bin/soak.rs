//! Runs a sidecar under full load for minutes, and fails if its memory or its descriptors grow.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench::control_plane::ControlPlaneProcess;
use bench::load::{Load, Reuse};
use bench::process::{Proxy, pin};
use bench::programs::{free_port, ours};
use bench::{load, origin};
use clap::Parser;

/// The core of the load, the origin and the control plane; the sidecar has the other one.
const LOAD_CORE: usize = 0;
const SIDECAR_CORE: usize = 1;

/// How long the control plane may take to receive the last counts.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time after which all connections are replaced by new ones.
const SLICE: Duration = Duration::from_secs(5);

/// The share of the time in which buffers, rows, histories and pools grow to their working size.
const WARM_UP: f64 = 0.15;

/// Allowed growth from the first quarter to the last: page counts at two moments can differ by this much.
const GROWTH_MAX: f64 = 1.05;

#[derive(Parser)]
#[command(about = "Holds a sidecar under full load, and fails if its memory or its descriptors grow")]
struct SoakConfig {
    /// Duration in minutes.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Connections that are kept; an eighth as many make a new one for each request.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Bytes of each answer's body.
    #[arg(long, default_value_t = 1000)]
    body_bytes: usize,
}

/// Memory and descriptors of the sidecar at one moment.
#[derive(Clone, Copy)]
struct SoakSample {
    resident_kib: u64,
    descriptors: u64,
}

/// The programs, each in its own process. The sidecar is dropped first.
struct SoakMesh {
    sidecar: Proxy,
    address: SocketAddr,
    control_plane: ControlPlaneProcess,
    _data: tempfile::TempDir,
}

fn main() -> anyhow::Result<ExitCode> {
    let config = SoakConfig::parse();
    ensure!(config.minutes > 0.0 && config.connections > 0, "there is nothing to do");
    pin(std::process::id(), LOAD_CORE)?;
    let mesh = SoakMesh::start(config.body_bytes)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (samples, requests) = runtime.block_on(soak(&mesh, &config))?;
    mesh.expect_counted(requests)?;
    println!("{requests} requests, and the control plane has counted every one of them");
    println!("the control plane holds {} KiB", mesh.control_plane.process().resident_kib());
    Ok(judge(&samples))
}

/// Loads the sidecar until the time is over, and takes a sample once a second.
async fn soak(mesh: &SoakMesh, config: &SoakConfig) -> anyhow::Result<(Vec<SoakSample>, u64)> {
    let until = Instant::now() + Duration::from_secs_f64(config.minutes * 60.0);
    let kept = Load { connections: config.connections, reuse: Reuse::Yes, rate: None };
    let fresh = Load { connections: config.connections.div_ceil(8), reuse: Reuse::No, rate: None };
    let (mut samples, mut requests) = (Vec::new(), 0);
    while Instant::now() < until {
        let slice = SLICE.min(until.saturating_duration_since(Instant::now()));
        let loads = async {
            tokio::try_join!(
                load::run(mesh.address, kept, slice, Arc::default()),
                load::run(mesh.address, fresh, slice, Arc::default())
            )
        };
        tokio::pin!(loads);
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        let (kept, fresh) = loop {
            tokio::select! {
                outcomes = &mut loads => break outcomes?,
                _ = seconds.tick() => samples.push(mesh.sample()?),
            }
        };
        requests += kept.requests + fresh.requests;
        if let Some(last) = samples.last() {
            println!("{requests:>12} requests {:>8} KiB {:>6} descriptors", last.resident_kib, last.descriptors);
        }
    }
    Ok((samples, requests))
}

/// Compares the first quarter after the warm-up with the last one.
fn judge(samples: &[SoakSample]) -> ExitCode {
    let warm = &samples[(samples.len() as f64 * WARM_UP) as usize..];
    let quarter = warm.len().div_ceil(4);
    let (first, last) = (&warm[..quarter], &warm[warm.len() - quarter..]);
    let mut is_flat = true;
    for (what, value) in
        [("KiB resident", (|sample| sample.resident_kib) as fn(&SoakSample) -> u64), ("descriptors", |sample| sample.descriptors)]
    {
        let (before, after) = (median(first, value), median(last, value));
        let growth = after as f64 / before.max(1) as f64;
        println!("{what}: median {before} in the first quarter, {after} in the last: {:+.1} %", (growth - 1.0) * 100.0);
        is_flat &= growth <= GROWTH_MAX;
    }
    println!("{}", if is_flat { "flat" } else { "it grows" });
    if is_flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn median(samples: &[SoakSample], value: fn(&SoakSample) -> u64) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(value).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

impl SoakMesh {
    fn start(body_bytes: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen for the origin")?;
        let target = listener.local_addr()?;
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(origin::serve(listener, body_bytes)))
        });
        let data = tempfile::tempdir()?;
        let control_plane = ControlPlaneProcess::start(data.path(), LOAD_CORE)?;
        let address = free_port()?;
        let mut command = Command::new(ours("sitio-sidecar")?);
        command.env("PORT", address.port().to_string()).env("TARGET_PORT", target.port().to_string());
        command.env("SITIO_LISTEN", "127.0.0.1").env("SITIO_ADMIN_PORT", "0").env("SITIO_SERVICE", "soak");
        command.env("SITIO_CONTROL_PLANE", format!("http://{}", control_plane.stream));
        let mut sidecar = Proxy::start(&mut command, SIDECAR_CORE)?;
        sidecar.wait_for(address).context("the sidecar")?;
        Ok(Self { sidecar, address, control_plane, _data: data })
    }

    fn sample(&self) -> anyhow::Result<SoakSample> {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.sidecar.id())).context("the sidecar has ended")?;
        Ok(SoakSample { resident_kib: self.sidecar.resident_kib(), descriptors: descriptors.count() as u64 })
    }

    /// Waits until the control plane reports exactly this number of hits.
    fn expect_counted(&self, requests: u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let hits = self.control_plane.hits()?;
            if hits == requests {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the control plane has counted {hits} requests, and {requests} were answered");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
