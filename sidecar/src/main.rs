//! The sidecar's program: reads its configuration, binds its ports, and runs until a signal starts a drain.

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use platform::log::Log;
use sidecar::config::SidecarOptions;
use sidecar::config::environment::ConfigError;
use sidecar::decorator::not_found_page::NotFoundPage;
use sidecar::sidecar::{SidecarListeners, run};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The exit code for an invalid configuration.
const MISCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    let mut options = match SidecarOptions::from_process() {
        Ok(options) => options,
        Err(ConfigError::Usage(usage)) => usage.exit(),
        Err(why) => return exit_with(&why.into(), MISCONFIGURED),
    };
    if let Some(source) = &options.not_found_page {
        match NotFoundPage::from_source(source) {
            Ok(page) => options.proxy.decorators.push(Arc::new(page)),
            Err(why) => return exit_with(&why, MISCONFIGURED),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime");
    match runtime.and_then(|runtime| runtime.block_on(start(options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => exit_with(&why, 1),
    }
}

async fn start(options: SidecarOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log).context("set up the log")?;
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(|| Log(std::io::stderr())).init();
    // As process 1 of a container, no signal has a default action. So both handlers are installed before anything else.
    let signals = (listen_for(SignalKind::terminate())?, listen_for(SignalKind::interrupt())?);

    raise_descriptor_limit();
    let listeners = SidecarListeners::bind(options.traffic_address(), options.admin_address(), options.proxy.timeouts.keepalive)?;
    print_ports(&options, &listeners)?;
    let drain = CancellationToken::new();
    tokio::select! {
        ended = run(options, listeners, drain.clone()) => ended,
        ended = wait_for_signals(signals, drain) => ended,
    }
}

/// Raises the descriptor limit to its maximum. A connection needs two descriptors, and the usual limit of
/// 1,024 is meant for programs that use select(2).
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let shown = |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) if current == maximum => {}
        Ok(()) => tracing::info!("raised the descriptor limit from {} to {}", shown(current), shown(maximum)),
        Err(why) => tracing::warn!("cannot raise the descriptor limit from {}: {why}", shown(current)),
    }
}

/// Starts a drain at the first signal, and ends it early at the second.
async fn wait_for_signals((mut terminate, mut interrupt): (Signal, Signal), drain: CancellationToken) -> anyhow::Result<()> {
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
fn print_ports(options: &SidecarOptions, listeners: &SidecarListeners) -> anyhow::Result<()> {
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port()).context("read the bound port");
    let (traffic, admin) = (port(&listeners.traffic)?, port(&listeners.admin)?);
    // An error is ignored: standard output may be closed on purpose.
    let target = options.proxy.target.port().map_or_else(|| options.proxy.target.to_string(), |port| port.to_string());
    let _ = writeln!(std::io::stdout(), "listening for request in {traffic} and targeting {target}");
    tracing::info!("the admin port is {}", SocketAddr::new(options.admin_address().ip(), admin));
    tracing::debug!("{options:?}");
    options.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if options.control_plane.is_none() {
        tracing::info!("no control plane is configured: the numbers are at /stats and /metrics of the admin port");
    }
    Ok(())
}

fn exit_with(why: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("sitio-sidecar: {why:#}");
    ExitCode::from(code)
}
