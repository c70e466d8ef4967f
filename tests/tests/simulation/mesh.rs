//! A simulated mesh, and the invariants of its totals after all faults.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use turmoil::Sim;

use crate::control_plane::{self, ControlPlaneProbe};
use crate::failing_store::CommitFaults;
use crate::network::CONTROL_PLANE;
use crate::sidecar::Pod;

/// The number of sidecars, without the duplicate sender.
pub(crate) const PODS: u64 = 3;

/// The time until every peer has noticed the end of the faults: a silent peer is detected within 25 s, and a sidecar
/// redials within ten.
pub(crate) const CALM: Duration = Duration::from_secs(90);

/// The simulation step. Messages take up to a few steps.
const STEP: Duration = Duration::from_millis(25);

/// The longest duration of faults.
const FAULTS_MAX: Duration = Duration::from_secs(120);

/// A control plane and its sidecars.
pub(crate) struct Mesh {
    pub(crate) sim: Sim<'static>,
    pub(crate) probe: ControlPlaneProbe,
    pub(crate) commit_faults: CommitFaults,
    pub(crate) pods: Vec<Pod>,
    /// Stops all traffic.
    pub(crate) calm: CancellationToken,
    leave: CancellationToken,
    dead: Vec<KilledProcess>,
    _folder: TempDir,
}

/// A killed sidecar process.
#[derive(Debug)]
struct KilledProcess {
    route: String,
    recorded: u64,
    possible_durable_hits: Vec<u64>,
}

impl Mesh {
    pub(crate) fn new(seed: u64) -> Self {
        let mut builder = turmoil::Builder::new();
        builder.rng_seed(seed).tick_duration(STEP).simulation_duration(FAULTS_MAX + CALM);
        builder.min_message_latency(Duration::from_millis(1)).max_message_latency(Duration::from_millis(100));
        builder.tcp_capacity(4096).enable_random_order();
        let mut sim = builder.build();
        let (folder, probe, commit_faults) =
            (tempfile::tempdir().unwrap(), ControlPlaneProbe::default(), CommitFaults::default());
        {
            let (folder, probe, commit_faults) = (folder.path().to_owned(), probe.clone(), commit_faults.clone());
            sim.host(CONTROL_PLANE, move || control_plane::run(folder.clone(), commit_faults.clone(), probe.clone()));
        }
        let (calm, leave) = (CancellationToken::new(), CancellationToken::new());
        let pods: Vec<Pod> = (0..PODS).map(|number| Pod::new(number, seed, calm.clone(), leave.clone())).collect();
        for pod in &pods {
            let host = pod.clone();
            sim.host(pod.name(), move || host.clone().run());
        }
        Self { sim, probe, commit_faults, pods, calm, leave, dead: Vec::new(), _folder: folder }
    }

    /// Kills the control plane, and starts another with the same store.
    pub(crate) fn restart_control_plane(&mut self) {
        self.sim.bounce(CONTROL_PLANE);
    }

    /// Kills a sidecar, and starts another process in its place.
    pub(crate) fn kill_sidecar(&mut self, number: usize) {
        if let Some(process) = self.pods[number].process() {
            let recorded = process.recorded.load(Relaxed);
            self.dead.push(KilledProcess {
                possible_durable_hits: process.possible_durable_hits(),
                route: process.route,
                recorded,
            });
        }
        self.sim.bounce(self.pods[number].name());
    }

    /// Advances the simulated time.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.sim.elapsed() + time;
        while self.sim.elapsed() < until {
            self.step();
        }
    }

    /// Advances the simulated time until a condition holds.
    pub(crate) fn pass_until(&mut self, has_happened: impl Fn(&Self) -> bool) {
        let until = self.sim.elapsed() + FAULTS_MAX;
        while !has_happened(self) {
            assert!(self.sim.elapsed() < until, "it has not happened within {FAULTS_MAX:?}");
            self.step();
        }
    }

    pub(crate) fn step(&mut self) {
        self.sim.step().unwrap();
    }

    /// Whether every request of a living sidecar is counted once.
    pub(crate) fn is_exact(&self) -> bool {
        self.living().all(|(route, recorded)| self.probe.hits(&route) == Some(recorded))
    }

    /// Whether every request is attributed to a caller. Sidecars resend callers after each restart, as long as they
    /// live.
    fn is_attributed(&self) -> bool {
        self.living().all(|(route, recorded)| self.probe.attributed_hits(&route) == Some(recorded))
    }

    /// Whether every request of a living sidecar is on disk once.
    pub(crate) fn is_durable(&self) -> bool {
        self.living().all(|(route, recorded)| self.probe.durable_hits(&route) == Some(recorded))
    }

    /// The route of each living process, and its recorded requests.
    fn living(&self) -> impl Iterator<Item = (String, u64)> {
        self.pods.iter().filter_map(Pod::process).map(|process| (process.route, process.recorded.load(Relaxed)))
    }

    /// Checks the killed sidecars. Everything acked is on disk, in whole windows. What was reported beyond that is
    /// counted as lost by the control plane that received it, and is no longer in its totals.
    pub(crate) fn losses_are_counted(&self) -> bool {
        let (mut lost, mut is_whole) = (0, true);
        for KilledProcess { route, recorded, possible_durable_hits } in &self.dead {
            let Some((received, kept)) = self.probe.reported_hits(route).zip(self.probe.durable_hits(route)) else {
                return false;
            };
            is_whole &= possible_durable_hits.contains(&kept) && (kept..=*recorded).contains(&received);
            is_whole &= self.probe.hits(route) == Some(kept);
            lost += received.saturating_sub(kept);
        }
        is_whole && self.probe.lost_hits() == Some(lost)
    }

    /// The observed counts, for the message of a failed check.
    pub(crate) fn describe(&self) -> String {
        let probe = &self.probe;
        let living = self.living().map(|(route, recorded)| {
            (probe.hits(&route), probe.durable_hits(&route), probe.attributed_hits(&route), recorded, route)
        });
        let living: Vec<_> = living.collect();
        let dead = self
            .dead
            .iter()
            .map(|dead| (probe.reported_hits(&dead.route), probe.hits(&dead.route), probe.durable_hits(&dead.route), dead));
        let dead: Vec<_> = dead.collect();
        format!(
            "reported, kept, by caller and recorded are {living:?}; received, reported and kept of the dead {dead:?}, of which {:?} are reported as lost",
            probe.lost_hits()
        )
    }

    /// Waits until all invariants hold, and checks that they continue to hold.
    pub(crate) fn wait_for_invariants(&mut self, must_be_durable: bool, also: impl Fn(&Self) -> bool) {
        self.calm.cancel();
        let until = self.sim.elapsed() + CALM;
        // A loss is counted when the successor of the dead process has connected, which may be pending if it has no
        // requests.
        let is_settled = |mesh: &Self| mesh.is_exact() && mesh.is_attributed() && also(mesh) && mesh.losses_are_counted();
        while !(is_settled(self) && (!must_be_durable || self.is_durable())) {
            assert!(self.sim.elapsed() < until, "{CALM:?} after the trouble: {}", self.describe());
            self.pass(Duration::from_secs(1));
        }
        // A draining sidecar waits until all its counts are on disk.
        self.leave.cancel();
        self.pass(Duration::from_secs(8));
        assert!(self.is_durable(), "what was on disk did not stay so, or the sidecars left too early: {}", self.describe());
        assert!(
            self.is_exact() && self.is_attributed() && also(self),
            "the totals were right, and did not stay so: {}",
            self.describe()
        );
        assert!(
            self.losses_are_counted(),
            "more was lost than a killed sidecar had not reported, or it was not counted: {}",
            self.describe()
        );
        // A restart may only lose what was never on disk.
        self.restart_control_plane();
        self.pass(Duration::from_secs(3));
        assert!(self.is_exact() && self.is_durable(), "a restart took some of the totals away: {}", self.describe());
        assert!(
            self.losses_are_counted() && self.probe.lost_hits() == Some(0),
            "no process is there that could lose: {}",
            self.describe()
        );
    }
}
