//! Measures Sitio beside a bare copy loop, HAProxy, nginx and Envoy, in interleaved rounds on this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use bench::contenders::{self, Contender, Stage};
use bench::process::{Proxy, pin};
use bench::rounds::{self, SCENARIOS};
use bench::{origin, report};
use clap::Parser;

/// The core of the load, the origin and the control plane; the proxies have the other.
const LOAD_CORE: usize = 0;
const PROXY_CORE: usize = 1;

/// How long a program may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Parser)]
#[command(about = "Measures Sitio beside what a user would pick instead")]
struct Config {
    /// Rounds of each scenario.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load for each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Only scenarios whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// Only these proxies, by the names in the table, separated by commas.
    #[arg(long, value_delimiter = ',')]
    proxies: Vec<String>,
    /// Where the samples are written to, as JSON.
    #[arg(long, default_value = "target/side-by-side.json")]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    raise_descriptor_limit();
    pin(std::process::id(), LOAD_CORE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut results = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name.contains(&config.only)) {
        let samples = runtime.block_on(measure(scenario, &config))?;
        print!("{}", report::table(scenario, &samples));
        results.push(report::json(scenario, &samples));
    }
    std::fs::write(&config.out, serde_json::to_string_pretty(&results)?)
        .with_context(|| format!("write {}", config.out.display()))?;
    println!("\nall samples are in {}", config.out.display());
    Ok(())
}

/// Each scenario has an origin of its own, and proxies that have done nothing else before.
async fn measure(scenario: &rounds::Scenario, config: &Config) -> anyhow::Result<rounds::Samples> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen for the origin")?;
    let origin = listener.local_addr()?;
    let body_bytes = scenario.body_bytes;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| runtime.block_on(origin::serve(listener, body_bytes)))
    });
    let folder = tempfile::tempdir()?;
    let (http, grpc) = (contenders::free_port()?, contenders::free_port()?);
    let mut command = Command::new(contenders::ours("sitio-control-plane")?);
    command
        .env("SITIO_HTTP_ADDR", http.to_string())
        .env("SITIO_GRPC_ADDR", grpc.to_string())
        .env("SITIO_DATA_DIR", folder.path().join("data"));
    let mut control_plane = Proxy::start(&mut command, LOAD_CORE)?;
    wait_for(grpc, &mut control_plane).context("the control plane")?;
    let stage = Stage { origin, folder: folder.path(), core: PROXY_CORE, control_plane: grpc };
    let (mut all, absent) = contenders::all(&stage)?;
    for why in absent {
        eprintln!("{why}");
    }
    all.retain(|contender| config.proxies.is_empty() || config.proxies.iter().any(|name| name == contender.name));
    for Contender { name, address, proxy } in &mut all {
        wait_for(*address, proxy).with_context(|| (*name).to_owned())?;
        pin(proxy.id(), PROXY_CORE)?;
    }
    rounds::run(scenario, &all, origin, config.rounds, Duration::from_secs_f64(config.seconds)).await
}

fn wait_for(address: SocketAddr, proxy: &mut Proxy) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    while TcpStream::connect(address).is_err() {
        anyhow::ensure!(proxy.is_alive(), "it ended instead of listening at {address}");
        anyhow::ensure!(Instant::now() < deadline, "it does not listen at {address} after {START_TIMEOUT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A thousand connections on each side need more than the usual 1,024 descriptors; the proxies inherit it.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
