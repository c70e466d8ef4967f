//! The program `sitio-control-plane`: settings, ports, logging, and a clean shutdown on a signal.

use std::io::{ErrorKind, IsTerminal};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use control_plane::app;
use control_plane::app::listeners::AppListeners;
use control_plane::app::options::AppOptions;
use control_plane::ca_publisher::CaConfigMap;
use control_plane::config;
use control_plane::config::{Configured, NotConfigured};
use control_plane::counts::memory::Budget;
#[cfg(feature = "nats")]
use control_plane::replication_settings::ReplicationSettings;
use platform::log::Log;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// A frame allocates and frees some hundred small pieces at once, on every thread. With this
/// allocator a frame costs a quarter less than with the C library's (`make bench-mesh`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code for invalid settings.
const MISCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    let configured = match config::read() {
        Ok(configured) => configured,
        Err(NotConfigured::Asked(answer)) => {
            print!("{answer}");
            return ExitCode::SUCCESS;
        }
        Err(NotConfigured::Senseless(why)) => {
            eprintln!("sitio-control-plane: {why}");
            return ExitCode::from(MISCONFIGURED);
        }
    };
    match start(configured) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sitio-control-plane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(Configured { config, token, warnings }: Configured) -> anyhow::Result<()> {
    log();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let http = bind(config.http_addr, "SITIO_HTTP_ADDR")?;
    let grpc = bind(config.grpc_addr, "SITIO_GRPC_ADDR")?;
    #[cfg(feature = "nats")]
    let replication = bind_for_replicas(&config.replication)?;
    let budget = Budget::new(config.memory_max);
    let webhook = config.webhook.address.map(|address| bind(address, "SITIO_WEBHOOK_ADDR")).transpose()?;
    let webhook_options = || config.webhook.options(config.data_dir.clone(), &config.tls, config.plaintext(), &config.kubernetes);
    let webhook_options = webhook.is_some().then(webhook_options).transpose()?;
    let service_accounts = config.service_accounts.verifier(&config.kubernetes)?.map(Arc::new);
    let ca_configmap = match config.tls.ca_configmap.clone() {
        Some(name) => Some(CaConfigMap { api: config.kubernetes.api("SITIO_CA_CONFIGMAP")?, name }),
        None => None,
    };
    let options = AppOptions {
        keep: config.keep(),
        plaintext: config.plaintext(),
        service_accounts,
        ca_configmap,
        tls: config.tls,
        data_dir: config.data_dir,
        token,
        sign_in: config.sign_in,
        forget_pods_after: config.forget_pods_after,
        streams_per_address_max: config.streams_per_address_max.unwrap_or_else(|| budget.streams_of_address()),
        public_url: config.public_url,
        trusted_proxies: config.trusted_proxies,
        budget,
        webhook: webhook_options,
        notifications_file: config.notifications_file,
    };
    tracing::info!(data = %options.data_dir.display(), token = options.token.is_some(), "starting");

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let drain = CancellationToken::new();
        let listeners = AppListeners { http, grpc, webhook };
        let control_plane = async {
            #[cfg(feature = "nats")]
            if let Some((settings, peers)) = replication {
                return app::run_replica(options, settings, (listeners, peers), drain.clone()).await;
            }
            app::run(options, listeners, drain.clone()).await
        };
        tokio::pin!(control_plane);
        tokio::select! {
            ended = &mut control_plane => return ended,
            asked = asked_to_leave() => asked?,
        }
        drain.cancel();
        control_plane.await
    })
}

/// As PID 1 of a container, the process has no default signal handling, so it waits for both
/// signals.
async fn asked_to_leave() -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// The port for other control planes, if there are any.
#[cfg(feature = "nats")]
fn bind_for_replicas(settings: &ReplicationSettings) -> anyhow::Result<Option<(ReplicationSettings, TcpListener)>> {
    if !settings.is_given() {
        return Ok(None);
    }
    let peers = bind(settings.replica_addr, "SITIO_REPLICA_ADDR")?;
    Ok(Some((settings.clone(), peers)))
}

fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow::anyhow!("cannot listen on {address}: port {} is taken; choose another with {setting}", address.port())
        }
        _ => anyhow::anyhow!("cannot listen on {address} ({setting}): {error}"),
    })
}

fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Log(std::io::stderr())).with_ansi(colour).init();
}
