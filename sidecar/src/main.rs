//! The sidecar's program: reads its configuration, binds its ports, and runs until a signal starts a drain.

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use platform::log::Log;
use sidecar::config::SidecarConfig;
use sidecar::config::values::NotFoundSetting;
use sidecar::decorator::{Decorator, not_found_page};
use sidecar::identity::Identity;
use sidecar::sidecar::{SidecarListeners, SidecarOptions, run};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The exit code for an invalid configuration.
const MISCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    let config = match SidecarConfig::read() {
        Ok(config) => config,
        Err(why) => return leave(&why.into(), MISCONFIGURED),
    };
    let decorators = match decorators(&config) {
        Ok(decorators) => decorators,
        Err(why) => return leave(&why, MISCONFIGURED),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime");
    match runtime.and_then(|runtime| runtime.block_on(start(config, decorators))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => leave(&why, 1),
    }
}

async fn start(config: SidecarConfig, decorators: Vec<Arc<dyn Decorator>>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log).context("set up the log")?;
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(|| Log(std::io::stderr())).init();
    // As process 1 of a container, no signal has a default action. So both handlers are installed before anything else.
    let signals = (listen_for(SignalKind::terminate())?, listen_for(SignalKind::interrupt())?);

    raise_descriptor_limit();
    let listeners = SidecarListeners::bind(config.listen, config.admin)?;
    announce(&config, &listeners)?;
    let options = SidecarOptions {
        pods_in_process: None,
        identity: Identity::new(config.named),
        target: config.target,
        protocol: config.protocol,
        control_plane: config.control_plane,
        workers: config.workers,
        protected: config.protected,
        routes: config.routes,
        decorators,
        timeouts: config.timeouts,
        limits: config.limits,
        forwarding: config.forwarding,
        connections_max: config.connections_max,
        queries: config.queries,
        stats_log: config.stats_log,
        access_log: config.access_log,
        otlp: config.otlp,
        drain_grace: config.drain_grace,
        drain_timeout: config.drain_timeout,
    };
    let drain = CancellationToken::new();
    tokio::select! {
        ended = run(options, listeners, drain.clone()) => ended,
        ended = obey(signals, drain) => ended,
    }
}

/// Raises the descriptor limit to its maximum. A connection needs two descriptors, and the usual limit of
/// 1,024 is meant for programs that use select(2).
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let told = |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) if current == maximum => {}
        Ok(()) => tracing::info!("raised the limit of descriptors from {} to {}", told(current), told(maximum)),
        Err(why) => tracing::warn!("cannot raise the limit of descriptors from {}: {why}", told(current)),
    }
}

/// Starts a drain at the first signal, and ends it early at the second.
async fn obey((mut terminate, mut interrupt): (Signal, Signal), drain: CancellationToken) -> anyhow::Result<()> {
    for _ in 0..2 {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if drain.is_cancelled() {
            break;
        }
        drain.cancel();
    }
    bail!("a second signal ended the drain early")
}

fn listen_for(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("listen for signals")
}

/// Prints the ports to standard output first, in the format of the original articles.
fn announce(config: &SidecarConfig, listeners: &SidecarListeners) -> anyhow::Result<()> {
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port()).context("ask for the port");
    let (traffic, admin) = (port(&listeners.traffic)?, port(&listeners.admin)?);
    // An error is ignored: standard output may be closed on purpose.
    let target = config.target.port().map_or_else(|| config.target.to_string(), |port| port.to_string());
    let _ = writeln!(std::io::stdout(), "listening for request in {traffic} and targeting {target}");
    tracing::info!("the admin port is {}", SocketAddr::new(config.admin.ip(), admin));
    tracing::debug!("{config:?}");
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if config.control_plane.is_none() {
        tracing::info!("no control plane is configured: the numbers are at /stats and /metrics of the admin port");
    }
    Ok(())
}

fn decorators(config: &SidecarConfig) -> anyhow::Result<Vec<Arc<dyn Decorator>>> {
    let page = match &config.not_found_page {
        None => return Ok(Vec::new()),
        Some(NotFoundSetting::BuiltIn) => not_found_page::NotFoundPage::built_in(),
        Some(NotFoundSetting::File(path)) => not_found_page::NotFoundPage::from_file(path)?,
    };
    Ok(vec![Arc::new(page)])
}

fn leave(why: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("sitio-sidecar: {why:#}");
    ExitCode::from(code)
}
