//! The simulated sidecar host: the real ledger and control client, with synthetic traffic instead of workers.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mesh::callers::{Callers, Calls};
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::EndpointReport;
use mesh::routes::route_patterns::Pins;
use mesh::workload::Workload;
use proto::convert::greeting::Greeting;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sidecar::control_client::client::ControlClient;
use sidecar::control_client::dial::{ControlPlaneTarget, StreamToken};
use sidecar::control_client::metrics::ControlClientMetrics;
use sidecar::control_client::rule_instances::RuleInstances;
use sidecar::decorator::background::Background;
use sidecar::decorator::catalog::Catalog;
use sidecar::decorator::pod_names::PodNames;
use sidecar::ledger::collector::LedgerHandle;
use sidecar::resources::Meter;
use sidecar::tls::ClientTls;
use sidecar::worker::Workers;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::network::{CONTROL_PLANE, PORT, transport};

/// The start of each sidecar's first process, in nanoseconds since the Unix epoch.
const FIRST_EPOCH: u64 = 1_700_000_000_000_000_000;

/// A pod and its sidecar.
#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) number: u64,
    pub(crate) seed: u64,
    /// The sidecar's processes, oldest first; all but the last were killed.
    pub(crate) processes: Arc<Mutex<Vec<SidecarProcess>>>,
    /// Stops its traffic.
    pub(crate) calm: CancellationToken,
    /// Drains its sidecar.
    pub(crate) leave: CancellationToken,
}

/// One process of a sidecar. Each counts on its own route, so that its numbers are separate.
#[derive(Clone)]
pub(crate) struct SidecarProcess {
    pub(crate) route: String,
    /// The number of requests recorded.
    pub(crate) recorded: Arc<AtomicU64>,
    ledger_handle: LedgerHandle,
}

impl SidecarProcess {
    /// The possible numbers of requests on disk if this process is killed now: those acked, plus the held windows, each
    /// of which is on disk completely or not at all.
    pub(crate) fn possible_durable_hits(&self) -> Vec<u64> {
        self.ledger_handle.read(|ledger| {
            let mut sum = ledger.baseline().sum().hits;
            let mut sums = vec![sum];
            sums.extend(ledger.windows().unwrap().held().map(|window| {
                sum += window.sum().hits;
                sum
            }));
            sums
        })
    }

    /// The number of acked windows.
    pub(crate) fn acked(&self) -> u64 {
        self.ledger_handle.read(|ledger| ledger.windows().map_or(0, |windows| windows.numbers().acked))
    }
}

impl Pod {
    pub(crate) fn new(number: u64, seed: u64, calm: CancellationToken, leave: CancellationToken) -> Self {
        Self { number, seed, processes: Arc::default(), calm, leave }
    }

    /// The current process, if one has started.
    pub(crate) fn process(&self) -> Option<SidecarProcess> {
        self.processes.lock().unwrap().last().cloned()
    }

    pub(crate) fn name(&self) -> String {
        format!("shop-{}", self.number)
    }

    /// Starts another process.
    fn begin(&self, ledger_handle: &LedgerHandle) -> (SidecarProcess, u64) {
        let mut processes = self.processes.lock().unwrap();
        let route = format!("/route-of-{}-{}", ["ann", "bob", "cid", "dot"][self.number as usize], processes.len());
        let process = SidecarProcess { route, recorded: Arc::default(), ledger_handle: ledger_handle.clone() };
        processes.push(process.clone());
        (process, FIRST_EPOCH + processes.len() as u64)
    }

    /// Runs its sidecar.
    pub(crate) async fn run(self) -> turmoil::Result {
        let workload = Workload {
            namespace: "default".into(),
            service: "shop".into(),
            pod: self.name(),
            pod_uid: format!("uid-{}", self.number),
            node: String::new(),
            addresses: vec![],
            version: "0.1.0".into(),
        };
        let (ledger_handle, collector) = LedgerHandle::open(Meter::new());
        let (process, epoch) = self.begin(&ledger_handle);
        let names = (workload.service.as_str().into(), workload.pod.as_str().into());
        let greeting = Greeting { workload, epoch, session: 0, protected: Vec::new(), uptime: None, known: None };
        let workers = Arc::new(Workers::none());
        let mut house = JoinSet::new();
        house.spawn(collector.run(Arc::clone(&workers), CancellationToken::new()));
        let leave = self.leave.clone();
        house.spawn(traffic(self, process));
        let uri = format!("http://{CONTROL_PLANE}:{PORT}").parse().unwrap();
        let link = ControlClient {
            control_plane: ControlPlaneTarget { uri, token: StreamToken::None, tls: ClientTls::default() },
            transport: transport(),
            greeting,
            routes: Pins::default(),
            instances: RuleInstances::new(Catalog {
                pod: PodNames { service: names.0, pod: names.1 },
                background: Background::none(),
                own_ports: Vec::new(),
            }),
            ledger_handle,
            workers,
            exchange_bus: Arc::default(),
            metrics: Arc::<ControlClientMetrics>::default(),
            first_rules: None,
        };
        link.run(leave).await;
        Ok(())
    }
}

/// Generates requests until `calm` is cancelled.
async fn traffic(pod: Pod, process: SidecarProcess) {
    let mut random = StdRng::seed_from_u64(pod.seed ^ (pod.number << 32));
    let endpoint = Endpoint::named("GET", &process.route).unwrap();
    while !pod.calm.is_cancelled() {
        let (mut golden, mut callers) = (GoldenMetrics::default(), Callers::default());
        for _ in 0..random.random_range(1..20) {
            golden.hits += 1;
            golden.time(100, 50);
            golden.add_status(200, 1);
            // More callers than are counted separately.
            let caller = Ipv4Addr::from(0x0a00_0000 + random.random_range(0..40_u32));
            callers.add(Some(caller.into()), Calls::one(1_700_000_000_000, false));
        }
        process.recorded.fetch_add(golden.hits, Relaxed);
        let endpoint = endpoint.clone();
        process.ledger_handle.read(|ledger| {
            ledger.absorb(vec![EndpointReport {
                endpoint,
                is_file: false,
                in_flight: 0,
                seen: None,
                golden,
                callers,
                recent: Vec::new(),
            }]);
        });
        tokio::time::sleep(Duration::from_millis(random.random_range(50..800))).await;
    }
}
