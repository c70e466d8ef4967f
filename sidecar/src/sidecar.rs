//! Runs a sidecar: starts its parts in order, opens it for traffic, and drains it in reverse order.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mesh::routes::route_patterns::Pins;
use proto::convert::greeting::Greeting;
use socket2::{Domain, Socket, Type};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::config::SidecarOptions;
use crate::control_client::client::ControlClient;
use crate::control_client::dial::Transport;
use crate::control_client::metrics::ControlClientMetrics;
use crate::control_client::rule_instances::RuleInstances;
use crate::decorator::background::Background;
use crate::decorator::catalog::Catalog;
use crate::decorator::pod_names::PodNames;
use crate::decorator_file::DecoratorFile;
use crate::export::access_log::{AccessLog, LineCounts};
use crate::export::admin::Admin;
use crate::export::admin::readiness::Readiness;
use crate::export::legacy_stats;
use crate::export::otlp::settings::OtlpSettings;
use crate::export::otlp::{Exported, Exporter};
use crate::identity::{Identity, workers_for};
use crate::ledger::collector::LedgerHandle;
use crate::recorder::exchange_bus::ExchangeBus;
use crate::resources::Meter;
use crate::socket::stream::end_with_vanished_peers;
use crate::worker::{RuleSource, Workers};

/// How long traffic waits for the first rules. Without a wait, an endpoint that is turned off would be open
/// whenever a pod starts. An unavailable control plane must not block pods, and two seconds do not matter
/// at a start.
const FIRST_RULES_MAX: Duration = Duration::from_secs(2);

/// Connections that the kernel queues until they are accepted, mostly at the start.
const BACKLOG: i32 = 1024;

/// The two bound ports. The caller binds them.
#[derive(Debug)]
pub struct SidecarListeners {
    /// The port for traffic.
    pub traffic: TcpListener,
    /// The port for health checks, metrics and statistics.
    pub admin: TcpListener,
}

impl SidecarListeners {
    /// Binds both ports. Port 0 selects a free one. A client that is silent for `keepalive` is probed.
    pub fn bind(traffic: SocketAddr, admin: SocketAddr, keepalive: Duration) -> anyhow::Result<Self> {
        Ok(Self { traffic: listener(traffic, keepalive)?, admin: listener(admin, keepalive)? })
    }

    fn ports(&self) -> Vec<u16> {
        [&self.traffic, &self.admin].into_iter().filter_map(|listener| listener.local_addr().ok()).map(|own| own.port()).collect()
    }
}

/// Runs a sidecar until it is drained.
///
/// The start order ensures that a new pod never answers an endpoint that is turned off. The ports are
/// bound, so connections wait in the kernel's backlog. The control client connects, and every worker
/// applies the first set of rules. Only then does the sidecar accept traffic. Without a control plane, or
/// without rules within `FIRST_RULES_MAX`, it accepts traffic anyway.
pub async fn run(options: SidecarOptions, listeners: SidecarListeners, drain: CancellationToken) -> anyhow::Result<()> {
    let own_ports = listeners.ports();
    let (identity, target) = (Identity::new(options.pod.clone()), options.proxy.target.clone());
    let meter = options.pods_in_process.map_or_else(|| Meter::for_service(target.local_port()), Meter::shared);
    let count = options.workers.unwrap_or_else(|| workers_for(meter.cpu_limit_milli()));
    let access_log = options.access_log_lines();
    let proxy = Arc::new(options.proxy);
    let workers = Arc::new(Workers::start(count, listeners.traffic, Arc::clone(&proxy))?);
    let pod = PodNames { service: identity.workload.service.as_str().into(), pod: identity.workload.pod.as_str().into() };
    let (ledger_handle, collector) = LedgerHandle::open(meter);
    let mut tasks = SidecarTasks::default();
    let catalog = Catalog { pod, background: tasks.start_background(), own_ports };
    if let Some(path) = options.decorators_file {
        tasks.start_decorators(path, &workers, catalog.clone()).await?;
    }
    tasks.collectors.spawn(collector.run(Arc::clone(&workers), tasks.collectors_stop.clone()));
    let (metrics, open) = (Arc::<ControlClientMetrics>::default(), CancellationToken::new());
    let (lines, exported) = (Arc::<LineCounts>::default(), Arc::<Exported>::default());
    tasks.start_admin(
        Admin {
            workload: Arc::new(identity.workload.clone()),
            ledger_handle: ledger_handle.clone(),
            control_client: Arc::clone(&metrics),
            workers: Arc::clone(&workers),
            access_log: Arc::clone(&lines),
            exported: Arc::clone(&exported),
            readiness: Arc::new(Readiness::new(target, open.clone(), drain.clone())),
        },
        listeners.admin,
    );
    let (exchange_bus, stats_log, otlp) = (Arc::clone(&proxy.exchange_bus), options.stats_log, options.otlp);
    let exporters = Exporters { stats_log, access_log, otlp, exchange_bus, ledger_handle: ledger_handle.clone() };
    tasks.start_exporters(exporters, &identity, lines, exported)?;
    if let Some(control_plane) = options.control_plane {
        let (first_rules, received) = oneshot::channel();
        let client = ControlClient {
            control_plane,
            transport: Transport::Tcp,
            greeting: greeting(identity, proxy.protected.clone()),
            routes: Pins::new(&proxy.routes),
            instances: RuleInstances::new(catalog),
            ledger_handle,
            workers: Arc::clone(&workers),
            exchange_bus: Arc::clone(&proxy.exchange_bus),
            metrics,
            first_rules: Some(first_rules),
        };
        tasks.exporters.spawn(client.run(tasks.exporters_stop.clone()));
        drain.run_until_cancelled(wait_for(received)).await;
    }
    workers.open().await;
    open.cancel();
    tasks.log_ended_until(&drain).await;

    end_traffic(&workers, options.drain_grace, options.drain_timeout).await;
    tasks.stop().await;
    tracing::info!("drained");
    Ok(())
}

/// Accepts for the grace period, in which load balancers notice that the sidecar is not ready; then ends what is open.
async fn end_traffic(workers: &Workers, grace: Duration, timeout: Duration) {
    tracing::info!("draining: accepting for another {grace:?}");
    workers.stop_keep_alive().await;
    tokio::time::sleep(grace).await;
    workers.drain(timeout).await;
}

fn greeting(Identity { workload, epoch }: Identity, protected: Vec<String>) -> Greeting {
    Greeting { workload, epoch, session: 0, protected, uptime: None, known: None }
}

/// What is exported to tools other than the control plane, and from where.
struct Exporters {
    stats_log: Option<Duration>,
    access_log: Option<u32>,
    otlp: Option<OtlpSettings>,
    exchange_bus: Arc<ExchangeBus>,
    ledger_handle: LedgerHandle,
}

/// The background tasks. They stop in two groups: exporters send the last values, so they stop before the collectors.
#[derive(Default)]
struct SidecarTasks {
    exporters: JoinSet<()>,
    exporters_stop: CancellationToken,
    collectors: JoinSet<()>,
    collectors_stop: CancellationToken,
}

impl SidecarTasks {
    /// Starts the admin port. It stays open until the end, because the kubelet and Prometheus query it during a drain.
    fn start_admin(&mut self, admin: Admin, listener: TcpListener) {
        let stop = self.collectors_stop.clone();
        self.collectors.spawn(async move {
            if let Err(why) = admin.run(listener, stop).await {
                tracing::error!("the admin port is closed: {why:#}");
            }
        });
    }

    /// Runs what decorators do apart from the workers.
    fn start_background(&mut self) -> Background {
        let (background, tasks) = Background::new();
        self.collectors.spawn(tasks.run(self.collectors_stop.clone()));
        background
    }

    /// Puts the decorators of a file in force, and follows its changes.
    async fn start_decorators(&mut self, path: PathBuf, workers: &Arc<Workers>, catalog: Catalog) -> anyhow::Result<()> {
        let file = DecoratorFile::open(path, catalog)?;
        workers.apply_rules(RuleSource::File, file.rules()).await;
        self.exporters.spawn(file.watch(Arc::clone(workers), self.exporters_stop.clone()));
        Ok(())
    }

    /// Starts the exporters to tools other than the control plane, if configured.
    fn start_exporters(
        &mut self,
        exporters: Exporters,
        identity: &Identity,
        lines: Arc<LineCounts>,
        exported: Arc<Exported>,
    ) -> anyhow::Result<()> {
        let Exporters { stats_log, access_log, otlp, exchange_bus, ledger_handle } = exporters;
        let (pod, stop) = (identity.workload.pod.clone(), self.exporters_stop.clone());
        if let Some(interval) = stats_log {
            self.exporters.spawn(legacy_stats::print(ledger_handle.clone(), pod.clone(), interval, stop.clone()));
        }
        if let Some(rate) = access_log {
            let log = AccessLog::open(&exchange_bus, pod, rate, lines)?;
            self.exporters.spawn(log.run(io::stdout(), stop.clone()));
        }
        if let Some(settings) = otlp {
            let export = Exporter::open(settings, identity, &exchange_bus, ledger_handle, exported)?;
            self.exporters.spawn(export.run(stop));
        }
        Ok(())
    }

    /// Logs background tasks that end, until a drain begins. Traffic does not depend on them.
    async fn log_ended_until(&mut self, drain: &CancellationToken) {
        loop {
            tokio::select! {
                Some(ended) = self.exporters.join_next() => log_ended(ended),
                Some(ended) = self.collectors.join_next() => log_ended(ended),
                () = drain.cancelled() => return,
            }
        }
    }

    async fn stop(mut self) {
        self.exporters_stop.cancel();
        while let Some(ended) = self.exporters.join_next().await {
            log_ended(ended);
        }
        self.collectors_stop.cancel();
        while let Some(ended) = self.collectors.join_next().await {
            log_ended(ended);
        }
    }
}

fn log_ended(ended: Result<(), JoinError>) {
    if let Err(why) = ended {
        tracing::error!("a background task of the sidecar has ended; traffic is not affected: {why}");
    }
}

async fn wait_for(first_rules: oneshot::Receiver<()>) {
    if tokio::time::timeout(FIRST_RULES_MAX, first_rules).await.is_err() {
        tracing::warn!("no rules within {FIRST_RULES_MAX:?}: accepting traffic without rules");
    }
}

fn listener(address: SocketAddr, silence: Duration) -> anyhow::Result<TcpListener> {
    let bound = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
        // An unspecified IPv6 address also accepts IPv4, whatever the machine's default is.
        if let SocketAddr::V6(address) = address {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        // Allows to bind a port whose previous owner has just exited.
        socket.set_reuse_address(true)?;
        // Accepted sockets inherit these options, also those that wait in the backlog until the workers open.
        end_with_vanished_peers(&socket, silence)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(TcpListener::from(socket))
    };
    bound().map_err(|why: io::Error| match why.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!("port {} on {} is already in use", address.port(), address.ip()),
        _ => anyhow::Error::new(why).context(format!("listen on {address}")),
    })
}

#[cfg(test)]
pub(crate) mod tests;
