//! Measures the cost of telemetry in a sidecar: CPU time of its background threads, as a share of all its threads.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::load::{Load, Reuse};
use crate::process::Proxy;
use crate::programs::{free_port, ours};
use crate::swarm::figure::Measurement;
use crate::swarm::server::Server;
use crate::swarm::stages::StageSettings;
use crate::{load, origin};

/// Requests per second.
const RATE: u64 = 20_000;

/// Connections of the load.
const CONNECTIONS: usize = 32;

/// How long the sidecar may take to listen.
const START_WITHIN: Duration = Duration::from_secs(20);

/// Runs the stage. The control plane is on the load's core, so that the sidecar has its own.
pub async fn run(setting: &StageSettings) -> anyhow::Result<Vec<Measurement>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen for the origin")?;
    let target = listener.local_addr()?;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| runtime.block_on(origin::serve(listener, 100)))
    });
    let server = Server::start(crate::swarm::server::Cores { server: setting.cores.swarm, ..setting.cores })?;
    let address = free_port()?;
    let mut command = Command::new(ours("sitio-sidecar")?);
    command
        .env("PORT", address.port().to_string())
        .env("TARGET_PORT", target.port().to_string())
        .env("SITIO_LISTEN", "127.0.0.1")
        .env("SITIO_ADMIN_PORT", "0")
        .env("SITIO_WORKERS", "1")
        .env("SITIO_SERVICE", "bench")
        .env("SITIO_CONTROL_PLANE", format!("http://{}", server.stream));
    let mut sidecar = Proxy::start(&mut command, setting.cores.server)?;
    let deadline = Instant::now() + START_WITHIN;
    while TcpStream::connect(address).is_err() {
        ensure!(sidecar.poll_alive() && Instant::now() < deadline, "the sidecar does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let load = Load { connections: CONNECTIONS, reuse: Reuse::Yes, rate: Some(RATE) };
    load::run(address, load, setting.look / 4, Arc::default()).await?;
    let (all, workers) = (sidecar.cpu()?, sidecar.cpu_of("worker-")?);
    let began = Instant::now();
    let outcome = load::run(address, load, setting.look, Arc::default()).await?;
    let rate = outcome.requests as f64 / began.elapsed().as_secs_f64();
    let (all, workers) = (sidecar.cpu()?.saturating_sub(all), sidecar.cpu_of("worker-")?.saturating_sub(workers));
    let share = all.saturating_sub(workers).as_secs_f64() / all.as_secs_f64() * 100.0;
    let note = format!(
        "{rate:.0} requests/s; {:.1} ms a second of {:.0} ms; counting itself, on the workers, is in `make bench`",
        all.saturating_sub(workers).as_secs_f64() * 1000.0 / setting.look.as_secs_f64(),
        all.as_secs_f64() * 1000.0 / setting.look.as_secs_f64()
    );
    Ok(vec![Measurement::at_most("telemetry's share of a sidecar's CPU (%)", 3.0, share, note)])
}
