//! Measures the control plane with a swarm of ten thousand sidecars, and compares each figure with its goal.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bench::process::pin;
use bench::swarm::dial::Connections;
use bench::swarm::figure;
use bench::swarm::figure::Measurement;
use bench::swarm::server::Cores;
use bench::swarm::size::SwarmSize;
use bench::swarm::stages::{StageSettings, fan_out, overview, reconnect, steady, telemetry};
use clap::{Parser, ValueEnum};

/// The swarm has one core, and the control plane the other one.
const CORES: Cores = Cores { swarm: 0, server: 1 };

#[derive(Parser)]
#[command(about = "Measures the control plane under a swarm of sidecars, all of it on this machine")]
struct MeshBenchConfig {
    /// Only these stages, separated by commas; otherwise all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<MeshStage>,
    /// Sidecars.
    #[arg(long, default_value_t = 10_000)]
    sidecars: usize,
    /// Services that they are copies of.
    #[arg(long, default_value_t = 50)]
    services: usize,
    /// Endpoints of each service.
    #[arg(long, default_value_t = 20)]
    endpoints: usize,
    /// Seconds to measure each steady state.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Where the figures are written to, as JSON.
    #[arg(long, default_value = "target/mesh.json")]
    out: PathBuf,
}

/// The stages that can be measured separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MeshStage {
    /// Frames over own connections: CPU, memory, bytes, lateness.
    Steady,
    /// Frames over shared connections.
    Shared,
    /// The dashboard, and a rule to one service.
    Overview,
    /// A rule to all sidecars.
    Rule,
    /// The control plane is killed and comes back.
    Reconnect,
    /// The cost of telemetry in a sidecar.
    Telemetry,
}

fn main() -> anyhow::Result<ExitCode> {
    let config = MeshBenchConfig::parse();
    anyhow::ensure!(config.services > 0 && config.sidecars >= config.services, "each service needs a sidecar at least");
    raise_descriptor_limit();
    pin(std::process::id(), CORES.swarm)?;
    let setting = StageSettings {
        size: SwarmSize { sidecars: config.sidecars, services: config.services, endpoints: config.endpoints },
        cores: CORES,
        look: Duration::from_secs_f64(config.seconds),
    };
    let mut figures = Vec::new();
    for stage in MeshStage::value_variants().iter().filter(|stage| config.only.is_empty() || config.only.contains(stage)) {
        eprintln!("{stage:?} …");
        // Each stage has its own runtime, so that no task of it is left when the next one begins.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        figures.extend(runtime.block_on(measure(*stage, &setting)).with_context(|| format!("the stage {stage:?}"))?);
    }
    print!("{}", figure::table(&figures));
    std::fs::write(&config.out, serde_json::to_string_pretty(&figure::json(&figures))?)
        .with_context(|| format!("write {}", config.out.display()))?;
    println!("\nall figures are in {}", config.out.display());
    let is_missed = figures.iter().any(|figure| figure.goal_met() == Some(false));
    Ok(if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn measure(stage: MeshStage, setting: &StageSettings) -> anyhow::Result<Vec<Measurement>> {
    match stage {
        MeshStage::Steady => steady::run(setting, Connections::Own).await,
        MeshStage::Shared => steady::run(setting, Connections::Shared).await,
        MeshStage::Overview => overview::run(setting).await,
        MeshStage::Rule => fan_out::to_all(setting).await,
        MeshStage::Reconnect => reconnect::run(setting).await,
        MeshStage::Telemetry => telemetry::run(setting).await,
    }
}

/// Ten thousand connections need more than the usual 1,024 descriptors; the control plane inherits the limit.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
