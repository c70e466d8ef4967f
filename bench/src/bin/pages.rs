//! Measures the dashboard with a thousand endpoints in a real browser, and compares each figure with its goal.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use bench::pages::crowd::Crowd;
use bench::pages::{loads, paint, ticks};
use bench::swarm::figure;
use bench::swarm::server::Cores;
use bench::swarm::size::SwarmSize;
use clap::{Parser, ValueEnum};
use scenario::browser::Browser;

/// The swarm has one core and the control plane the other; the browser shares both, as on a laptop.
const CORES: Cores = Cores { swarm: 0, server: 1 };

#[derive(Parser)]
#[command(about = "Measures the dashboard in a real browser, all of it on this machine")]
struct PagesConfig {
    /// Only these parts, separated by commas; otherwise all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<PagesPart>,
    /// Sidecars.
    #[arg(long, default_value_t = 60)]
    sidecars: usize,
    /// Services that they are copies of.
    #[arg(long, default_value_t = 20)]
    services: usize,
    /// Endpoints of each service.
    #[arg(long, default_value_t = 50)]
    endpoints: usize,
    /// Where the figures are written to, as JSON.
    #[arg(long, default_value = "target/pages.json")]
    out: PathBuf,
}

/// The parts that can be measured separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PagesPart {
    /// What a second of a live overview costs the browser.
    Ticks,
    /// The time to the first paint.
    Paint,
    /// Bytes and requests that the pages load.
    Loads,
}

fn main() -> anyhow::Result<ExitCode> {
    let config = PagesConfig::parse();
    anyhow::ensure!(config.services > 0 && config.sidecars >= config.services, "each service needs a sidecar at least");
    // Start the browser before the process is pinned to a core, because the browser would inherit that.
    let browser = Browser::start();
    let size = SwarmSize { sidecars: config.sidecars, services: config.services, endpoints: config.endpoints };
    let crowd = Crowd::start(size, CORES)?;
    let dashboard = crowd.dashboard();
    let mut figures = Vec::new();
    for part in PagesPart::value_variants().iter().filter(|part| config.only.is_empty() || config.only.contains(part)) {
        figures.extend(match part {
            PagesPart::Ticks => ticks::run(&browser, dashboard, size.services * size.endpoints)?,
            PagesPart::Paint => paint::run(&browser, dashboard)?,
            PagesPart::Loads => loads::run(dashboard)?,
        });
    }
    crowd.end()?;
    print!("{}", figure::table(&figures));
    std::fs::write(&config.out, serde_json::to_string_pretty(&figure::json(&figures))?)
        .with_context(|| format!("write {}", config.out.display()))?;
    println!("\nall figures are in {}", config.out.display());
    let is_missed = figures.iter().any(|figure| figure.goal_met() == Some(false));
    Ok(if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
