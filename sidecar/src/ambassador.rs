//! A sidecar as a library: a service's port, the port in front of it, and decorators in between.

use std::net::{IpAddr, TcpListener};

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::SidecarOptions;
use crate::config::environment::ConfigError;
use crate::decorator::Decorator;
use crate::identity::PodDescription;
use crate::sidecar::{SidecarListeners, run};
use crate::target::ServiceAddr;

/// A sidecar in front of a service.
///
/// ```no_run
/// use sidecar::{Ambassador, NotFoundPage, on_status};
///
/// # async fn start() -> anyhow::Result<()> {
/// Ambassador::new(8080, 8087)
///     .decorate(NotFoundPage::html("<h1>Look somewhere else</h1>"))
///     .decorate(on_status(500, |response| eprintln!("{} failed", response.endpoint())))
///     .run()
///     .await
/// # }
/// ```
#[derive(Debug)]
pub struct Ambassador {
    options: SidecarOptions,
}

impl Ambassador {
    /// Listens on `port` of all addresses, and forwards to `target_port` of this machine. Everything else has its default;
    /// no variable of the environment is read.
    pub fn new(port: u16, target_port: u16) -> Self {
        let mut options = SidecarOptions::new(PodDescription::default(), ServiceAddr::Loopback(target_port));
        options.set_port(port);
        Self { options }
    }

    /// Reads the settings of the program `sitio-sidecar` from the command line and the environment.
    pub fn from_process() -> Result<Self, ConfigError> {
        SidecarOptions::from_process().map(Self::from_options)
    }

    /// A sidecar with these settings.
    pub fn from_options(options: SidecarOptions) -> Self {
        Self { options }
    }

    /// Adds a decorator. Requests pass decorators in the order in which they were added, responses in the opposite order.
    #[must_use]
    pub fn decorate(mut self, decorator: impl Decorator + 'static) -> Self {
        self.options.proxy.decorators.push(std::sync::Arc::new(decorator));
        self
    }

    /// Listens on this address alone, such as `127.0.0.1`.
    #[must_use]
    pub fn listen(mut self, address: IpAddr) -> Self {
        self.options.set_listen(address);
        self
    }

    /// Serves health, metrics and statistics on this port in place of 9191; 0 takes a free one.
    #[must_use]
    pub fn admin_port(mut self, port: u16) -> Self {
        self.options.set_admin_port(port);
        self
    }

    /// Runs until SIGTERM or SIGINT, and then until what is under way has ended. A second signal ends it at once. It needs a
    /// runtime of tokio with I/O, time and signals.
    pub async fn run(self) -> anyhow::Result<()> {
        // As process 1 of a container, no signal has a default action. So both handlers are installed before anything else.
        let signals = (listen_for(SignalKind::terminate())?, listen_for(SignalKind::interrupt())?);
        let options = self.options;
        let listeners =
            SidecarListeners::bind(options.traffic_address(), options.admin_address(), options.proxy.timeouts.keepalive)?;
        announce(&options, &listeners)?;
        let drain = CancellationToken::new();
        tokio::select! {
            ended = run(options, listeners, drain.clone()) => ended,
            ended = wait_for_signals(signals, drain) => ended,
        }
    }
}

/// Prints the ports to standard output first, in the format of the original articles.
fn announce(options: &SidecarOptions, listeners: &SidecarListeners) -> anyhow::Result<()> {
    use std::io::Write;
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port()).context("read the bound port");
    let (traffic, admin) = (port(&listeners.traffic)?, port(&listeners.admin)?);
    let target = options.proxy.target.port().map_or_else(|| options.proxy.target.to_string(), |port| port.to_string());
    // An error is ignored: standard output may be closed on purpose.
    let _ = writeln!(std::io::stdout(), "listening for request in {traffic} and targeting {target}");
    tracing::info!("the admin port is {}", std::net::SocketAddr::new(options.admin_address().ip(), admin));
    tracing::debug!("{options:?}");
    options.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if options.control_plane.is_none() {
        tracing::info!("no control plane is configured: the numbers are at /stats and /metrics of the admin port");
    }
    Ok(())
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
