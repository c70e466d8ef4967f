//! Compares Sitio with a bare copy loop, HAProxy, nginx and Envoy, in interleaved rounds on this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use bench::contenders::{BenchSetup, Contender, SERVICE, SITIO};
use bench::control_plane::ControlPlaneProcess;
use bench::load::HttpVersion;
use bench::process::{Proxy, pin};
use bench::rounds::{Results, SCENARIOS, Scenario};
use bench::{contenders, goals, nghttpd, origin, report, rounds, system_calls};
use clap::Parser;

/// The core of the load, the origin and the control plane; the proxies have the other one.
const LOAD_CORE: usize = 0;
const PROXY_CORE: usize = 1;

#[derive(Parser)]
#[command(about = "Measures Sitio beside what a user would pick instead")]
struct SideBySideConfig {
    /// Rounds of each scenario.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load for each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Only scenarios whose name contains this.
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
    let config = SideBySideConfig::parse();
    raise_descriptor_limit();
    pin(std::process::id(), LOAD_CORE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut results = Results::default();
    results.machine_load.extend(machine_load());
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name.contains(&config.only)) {
        let absent = scenario.traffic.absent();
        if !absent.is_empty() {
            results.absent.extend(absent);
            continue;
        }
        runtime.block_on(measure(scenario, &config, &mut results)).context(scenario.name)?;
        if let Some((scenario, samples)) = results.scenarios.last() {
            print!("{}", report::table(scenario, samples));
        }
    }
    results.machine_load.extend(machine_load());
    let verdicts = goals::judge(&results);
    print!("{}{}", report::costs(&results), report::goals(&verdicts));
    results.absent.iter().for_each(|why| println!("\n{why}"));
    println!("\nload averages of the machine before and after: {}", results.machine_load.join("; "));
    std::fs::write(&config.out, serde_json::to_string_pretty(&report::json(&results, &verdicts))?)
        .with_context(|| format!("write {}", config.out.display()))?;
    println!("all samples are in {}", config.out.display());
    Ok(())
}

/// Measures one scenario, with its own origin and freshly started proxies.
async fn measure(scenario: &Scenario, config: &SideBySideConfig, results: &mut Results) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = Origin::start(scenario, folder.path())?;
    let control_plane = ControlPlaneProcess::start(folder.path(), LOAD_CORE)?;
    let stage = BenchSetup {
        version: scenario.traffic.version(),
        origin: origin.address,
        folder: folder.path(),
        core: PROXY_CORE,
        control_plane: control_plane.stream,
    };
    let (mut all, absent) = contenders::all(&stage)?;
    results.absent.extend(absent);
    all.retain(|contender| config.proxies.is_empty() || config.proxies.iter().any(|name| name == contender.name));
    for contender in &mut all {
        settle(contender, &control_plane)?;
        let program = std::fs::metadata(&contender.program).context("look at the program's size")?;
        results.program_mb.insert(contender.name, program.len() as f64 / 1e6);
        results.idle_mib.entry(contender.name).or_insert(contender.proxy.resident_kib() as f64 / 1024.0);
    }
    let samples = rounds::run(scenario, &all, origin.address, config.rounds, Duration::from_secs_f64(config.seconds)).await?;
    if report::counts_system_calls(scenario) {
        for contender in &all {
            if let Some(calls) = system_calls::count(contender, scenario.traffic, folder.path()).await? {
                results.system_calls.push((scenario.name, contender.name, calls));
            }
        }
    }
    results.scenarios.push((*scenario, samples));
    Ok(())
}

/// Waits until the proxy listens. Sitio also gets a rule in force, for an endpoint that is not requested.
fn settle(contender: &mut Contender, control_plane: &ControlPlaneProcess) -> anyhow::Result<()> {
    contender.proxy.wait_for(contender.address).with_context(|| contender.name.to_owned())?;
    pin(contender.proxy.id(), PROXY_CORE)?;
    if contender.name == SITIO {
        control_plane.turn_off(SERVICE, "GET", "/legacy/export").context("put a rule in force")?;
    }
    Ok(())
}

/// The service behind the proxies of a scenario, on the core of the load.
struct Origin {
    address: SocketAddr,
    /// Killed with the origin.
    _nghttpd: Option<Proxy>,
}

impl Origin {
    fn start(scenario: &Scenario, folder: &Path) -> anyhow::Result<Self> {
        match scenario.traffic.version() {
            HttpVersion::Http1 => Ok(Self { address: serve(scenario.body_bytes)?, _nghttpd: None }),
            HttpVersion::Http2 => {
                let (address, nghttpd) = nghttpd::start(scenario.body_bytes, folder, LOAD_CORE)?;
                Ok(Self { address, _nghttpd: Some(nghttpd) })
            }
        }
    }
}

/// Starts an origin in its own thread.
fn serve(body_bytes: usize) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen for the origin")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| runtime.block_on(origin::serve(listener, body_bytes)))
    });
    Ok(address)
}

fn machine_load() -> Option<String> {
    let reported = std::fs::read_to_string("/proc/loadavg").ok()?;
    Some(reported.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

/// A thousand connections on each side need more than the usual 1,024 descriptors; the proxies inherit the limit.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
