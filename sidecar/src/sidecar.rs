//! Runs a sidecar: starts its parts in order, opens it for traffic, and drains it in reverse order.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mesh::routes::route_patterns::{Pattern, Pins};
use proto::convert::greeting::Greeting;
use socket2::{Domain, Socket, Type};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::control_client::client::ControlClient;
use crate::control_client::dial::{ControlPlaneTarget, Transport};
use crate::control_client::metrics::ControlClientMetrics;
use crate::decorator::Decorator;
use crate::exchange::options::{Queries, TunnelOptions};
use crate::export::access_log::{AccessLog, LineCounts};
use crate::export::admin::Admin;
use crate::export::admin::readiness::Readiness;
use crate::export::otlp::{Exported, Exporter};
use crate::export::{legacy_stats, otlp};
use crate::forwarding::Forwarding;
use crate::head::HeadLimits;
use crate::identity::{Identity, workers_for};
use crate::ledger::collector::LedgerHandle;
use crate::protocol::Protocol;
use crate::recorder::exchange_bus::ExchangeBus;
use crate::resources::Meter;
use crate::socket::stream::KEEPALIVE;
use crate::target::ServiceAddr;
use crate::timeouts::Timeouts;
use crate::worker::Workers;

/// How long traffic waits for the first rules. Without a wait, an endpoint that is turned off would be open
/// whenever a pod starts. An unavailable control plane must not block pods, and two seconds do not matter
/// at a start.
const FIRST_RULES_MAX: Duration = Duration::from_secs(2);

/// Connections that the kernel queues until they are accepted, mostly at the start.
const BACKLOG: i32 = 1024;

/// The configuration of one sidecar. Several sidecars can run in one process.
pub struct SidecarOptions {
    /// The identity of its pod.
    pub identity: Identity,
    /// Where the service listens.
    pub target: ServiceAddr,
    /// The protocol of downstream connections.
    pub protocol: Protocol,
    /// The control plane, if there is one.
    pub control_plane: Option<ControlPlaneTarget>,
    /// The number of pods in this process; each reports its share of the process's resources. If `None`,
    /// the sidecar reports the resources of its container.
    pub pods_in_process: Option<NonZeroU32>,
    /// Number of worker threads. The default depends on the CPU limit.
    pub workers: Option<usize>,
    /// Paths that no rule may turn off.
    pub protected: Vec<String>,
    /// Decorators around the service, in the order in which they see requests.
    pub decorators: Vec<Arc<dyn Decorator>>,
    /// Patterns that name routes.
    pub routes: Vec<Pattern>,
    /// How long each part of an exchange may take.
    pub timeouts: Timeouts,
    /// Limits of a message head.
    pub limits: HeadLimits,
    /// Which fields describe the downstream to the service.
    pub forwarding: Forwarding,
    /// The most downstream connections at once. The default is as many as the descriptor limit allows.
    pub connections_max: Option<u32>,
    /// Whether the history keeps queries.
    pub queries: Queries,
    /// How often the JSON of the original articles is printed to standard output, if at all.
    pub stats_log: Option<Duration>,
    /// How many exchanges per second are written to standard output, if any.
    pub access_log: Option<u32>,
    /// The settings of the OTLP export, if there is a collector.
    pub otlp: Option<otlp::settings::OtlpSettings>,
    /// How long new connections are accepted after a drain has begun.
    pub drain_grace: Duration,
    /// How long exchanges in progress may then take to finish.
    pub drain_timeout: Duration,
}

/// The two bound ports. The caller binds them.
#[derive(Debug)]
pub struct SidecarListeners {
    /// The port for traffic.
    pub traffic: TcpListener,
    /// The port for health checks, metrics and statistics.
    pub admin: TcpListener,
}

impl SidecarOptions {
    /// Options for a sidecar in front of `target`, without a control plane and with the program's defaults.
    pub fn new(identity: Identity, target: impl Into<ServiceAddr>) -> Self {
        Self {
            identity,
            target: target.into(),
            protocol: Protocol::default(),
            control_plane: None,
            pods_in_process: None,
            workers: None,
            protected: config::protected(),
            decorators: Vec::new(),
            routes: Vec::new(),
            timeouts: Timeouts::default(),
            limits: HeadLimits::default(),
            forwarding: Forwarding::default(),
            connections_max: None,
            queries: Queries::default(),
            stats_log: None,
            access_log: None,
            otlp: None,
            drain_grace: config::DRAIN_GRACE,
            drain_timeout: config::DRAIN_TIMEOUT,
        }
    }
}

impl SidecarListeners {
    /// Binds both ports. Port 0 selects a free one.
    pub fn bind(traffic: SocketAddr, admin: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { traffic: listener(traffic)?, admin: listener(admin)? })
    }
}

/// Runs a sidecar until it is drained.
///
/// The start order ensures that a new pod never answers an endpoint that is turned off. The ports are
/// bound, so connections wait in the kernel's backlog. The control client connects, and every worker
/// applies the first set of rules. Only then does the sidecar accept traffic. Without a control plane, or
/// without rules within `FIRST_RULES_MAX`, it accepts traffic anyway.
pub async fn run(options: SidecarOptions, listeners: SidecarListeners, drain: CancellationToken) -> anyhow::Result<()> {
    let meter = options.pods_in_process.map_or_else(|| Meter::beside(options.target.local_port()), Meter::of_part);
    let count = options.workers.unwrap_or_else(|| workers_for(meter.cpu_limit_milli()));
    let outlet = Arc::<ExchangeBus>::default();
    let tunnel = TunnelOptions {
        target: options.target.clone(),
        protocol: options.protocol,
        decorators: options.decorators.clone(),
        routes: options.routes.clone(),
        protected: options.protected.clone(),
        timeouts: options.timeouts,
        limits: options.limits,
        forwarding: options.forwarding,
        connections_max: options.connections_max,
        outlet: Arc::clone(&outlet),
        queries: options.queries,
    };
    let workers = Arc::new(Workers::start(count, listeners.traffic, tunnel)?);
    let (books, bookkeeper) = LedgerHandle::open(meter);
    let mut house = BackgroundTasks::default();
    house.keepers.spawn(bookkeeper.run(Arc::clone(&workers), house.keepers_leave.clone()));
    let meter = Arc::<ControlClientMetrics>::default();
    let open = CancellationToken::new();
    let (lines, exported) = (Arc::<LineCounts>::default(), Arc::<Exported>::default());
    house.admit(
        Admin {
            workload: Arc::new(options.identity.workload.clone()),
            books: books.clone(),
            link: Arc::clone(&meter),
            workers: Arc::clone(&workers),
            access_log: Arc::clone(&lines),
            exported: Arc::clone(&exported),
            readiness: Arc::new(Readiness::new(options.target.clone(), open.clone(), drain.clone())),
        },
        listeners.admin,
    );
    house.tell_other_tools(&options, &books, &outlet, lines, exported)?;
    if let Some(control_plane) = options.control_plane {
        let (first_rules, have_come) = oneshot::channel();
        let Identity { workload, epoch } = options.identity;
        let greeting = Greeting { workload, epoch, session: 0, protected: options.protected, uptime: None, known: None };
        let workers = Arc::clone(&workers);
        let (transport, routes, first_rules) = (Transport::Tcp, Pins::new(&options.routes), Some(first_rules));
        let link = ControlClient { control_plane, transport, greeting, routes, books, workers, outlet, meter, first_rules };
        house.tellers.spawn(link.run(house.tellers_leave.clone()));
        drain.run_until_cancelled(wait_for(have_come)).await;
    }
    workers.open().await;
    open.cancel();
    house.watch_until(&drain).await;

    // From here on the sidecar is not ready; `drain` itself signals it. Load balancers need the grace period to notice.
    tracing::info!("draining: accepting for another {:?}", options.drain_grace);
    workers.leave().await;
    tokio::time::sleep(options.drain_grace).await;
    workers.drain(options.drain_timeout).await;
    house.leave().await;
    tracing::info!("drained");
    Ok(())
}

/// The background tasks. They stop in two groups: exporters send the last values, so they stop before the collectors.
#[derive(Default)]
struct BackgroundTasks {
    tellers: JoinSet<()>,
    tellers_leave: CancellationToken,
    keepers: JoinSet<()>,
    keepers_leave: CancellationToken,
}

impl BackgroundTasks {
    /// Starts the admin port. It stays open until the end, because the kubelet and Prometheus query it during a drain.
    fn admit(&mut self, admin: Admin, listener: TcpListener) {
        let leave = self.keepers_leave.clone();
        self.keepers.spawn(async move {
            if let Err(why) = admin.run(listener, leave).await {
                tracing::error!("the admin port is closed: {why:#}");
            }
        });
    }

    /// Starts the exporters to tools other than the control plane, if configured.
    fn tell_other_tools(
        &mut self,
        options: &SidecarOptions,
        books: &LedgerHandle,
        outlet: &Arc<ExchangeBus>,
        lines: Arc<LineCounts>,
        exported: Arc<Exported>,
    ) -> anyhow::Result<()> {
        let (pod, leave) = (options.identity.workload.pod.clone(), self.tellers_leave.clone());
        if let Some(interval) = options.stats_log {
            self.tellers.spawn(legacy_stats::print(books.clone(), pod.clone(), interval, leave.clone()));
        }
        if let Some(rate) = options.access_log {
            let log = AccessLog::open(outlet, pod, rate, lines)?;
            self.tellers.spawn(log.run(io::stdout(), leave.clone()));
        }
        if let Some(settings) = options.otlp.clone() {
            let export = Exporter::open(settings, &options.identity, outlet, books.clone(), exported)?;
            self.tellers.spawn(export.run(leave));
        }
        Ok(())
    }

    /// Logs background tasks that end, until a drain begins. Traffic does not depend on them.
    async fn watch_until(&mut self, drain: &CancellationToken) {
        loop {
            tokio::select! {
                Some(ended) = self.tellers.join_next() => tell_of(ended),
                Some(ended) = self.keepers.join_next() => tell_of(ended),
                () = drain.cancelled() => return,
            }
        }
    }

    async fn leave(mut self) {
        self.tellers_leave.cancel();
        while let Some(ended) = self.tellers.join_next().await {
            tell_of(ended);
        }
        self.keepers_leave.cancel();
        while let Some(ended) = self.keepers.join_next().await {
            tell_of(ended);
        }
    }
}

fn tell_of(ended: Result<(), JoinError>) {
    if let Err(why) = ended {
        tracing::error!("a part of the sidecar has ended, and traffic goes on without it: {why}");
    }
}

async fn wait_for(first_rules: oneshot::Receiver<()>) {
    if tokio::time::timeout(FIRST_RULES_MAX, first_rules).await.is_err() {
        tracing::warn!("no rules within {FIRST_RULES_MAX:?}: letting traffic in without");
    }
}

fn listener(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
        // An unspecified IPv6 address also accepts IPv4, whatever the machine's default is.
        if let SocketAddr::V6(address) = address {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        // Allows to bind a port whose previous owner has just exited.
        socket.set_reuse_address(true)?;
        // Accepted sockets inherit this option, so no connection needs an extra system call.
        socket.set_tcp_keepalive(&KEEPALIVE)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(TcpListener::from(socket))
    };
    bound().map_err(|why: io::Error| match why.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!("port {} on {} is taken", address.port(), address.ip()),
        _ => anyhow::Error::new(why).context(format!("listen on {address}")),
    })
}

#[cfg(test)]
pub(crate) mod tests;
