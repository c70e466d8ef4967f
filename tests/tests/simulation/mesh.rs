//! A simulated mesh, and the invariants of its totals after all faults.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use turmoil::Sim;

use crate::control_plane::{self, Glass};
use crate::disk::Orders;
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
const TROUBLE_MAX: Duration = Duration::from_secs(120);

/// A control plane and its sidecars.
pub(crate) struct Mesh {
    pub(crate) sim: Sim<'static>,
    pub(crate) glass: Glass,
    pub(crate) orders: Orders,
    pub(crate) pods: Vec<Pod>,
    /// Stops all traffic.
    pub(crate) calm: CancellationToken,
    leave: CancellationToken,
    dead: Vec<Dead>,
    _folder: TempDir,
}

/// A killed sidecar process.
#[derive(Debug)]
struct Dead {
    route: String,
    recorded: u64,
    may_be_kept: Vec<u64>,
}

impl Mesh {
    pub(crate) fn new(seed: u64) -> Self {
        let mut builder = turmoil::Builder::new();
        builder.rng_seed(seed).tick_duration(STEP).simulation_duration(TROUBLE_MAX + CALM);
        builder.min_message_latency(Duration::from_millis(1)).max_message_latency(Duration::from_millis(100));
        builder.tcp_capacity(4096).enable_random_order();
        let mut sim = builder.build();
        let (folder, glass, orders) = (tempfile::tempdir().unwrap(), Glass::default(), Orders::default());
        {
            let (folder, glass, orders) = (folder.path().to_owned(), glass.clone(), orders.clone());
            sim.host(CONTROL_PLANE, move || control_plane::run(folder.clone(), orders.clone(), glass.clone()));
        }
        let (calm, leave) = (CancellationToken::new(), CancellationToken::new());
        let pods: Vec<Pod> = (0..PODS).map(|number| Pod::new(number, seed, calm.clone(), leave.clone())).collect();
        for pod in &pods {
            let host = pod.clone();
            sim.host(pod.name(), move || host.clone().run());
        }
        Self { sim, glass, orders, pods, calm, leave, dead: Vec::new(), _folder: folder }
    }

    /// Kills the control plane, and starts another with the same store.
    pub(crate) fn restart_control_plane(&mut self) {
        self.sim.bounce(CONTROL_PLANE);
    }

    /// Kills a sidecar, and starts another process in its place.
    pub(crate) fn kill_sidecar(&mut self, number: usize) {
        if let Some(life) = self.pods[number].life() {
            let recorded = life.recorded.load(Relaxed);
            self.dead.push(Dead { may_be_kept: life.may_be_kept(), route: life.route, recorded });
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
        let until = self.sim.elapsed() + TROUBLE_MAX;
        while !has_happened(self) {
            assert!(self.sim.elapsed() < until, "it has not happened within {TROUBLE_MAX:?}");
            self.step();
        }
    }

    pub(crate) fn step(&mut self) {
        self.sim.step().unwrap();
    }

    /// Whether every request of a living sidecar is counted once.
    pub(crate) fn is_exact(&self) -> bool {
        self.living().all(|(route, recorded)| self.glass.hits(&route) == Some(recorded))
    }

    /// Whether every request is attributed to a caller. Sidecars resend callers after each restart, as long as they
    /// live.
    fn is_called(&self) -> bool {
        self.living().all(|(route, recorded)| self.glass.called(&route) == Some(recorded))
    }

    /// Whether every request of a living sidecar is on disk once.
    pub(crate) fn is_durable(&self) -> bool {
        self.living().all(|(route, recorded)| self.glass.kept(&route) == Some(recorded))
    }

    /// The route of each living process, and its recorded requests.
    fn living(&self) -> impl Iterator<Item = (String, u64)> {
        self.pods.iter().filter_map(Pod::life).map(|life| (life.route, life.recorded.load(Relaxed)))
    }

    /// Checks the killed sidecars. Everything acked is on disk, in whole windows. What was reported beyond that is
    /// counted as lost by the control plane that received it, and is no longer in its totals.
    pub(crate) fn losses_are_told(&self) -> bool {
        let (mut lost, mut is_whole) = (0, true);
        for Dead { route, recorded, may_be_kept } in &self.dead {
            let Some((heard, kept)) = self.glass.heard(route).zip(self.glass.kept(route)) else { return false };
            is_whole &= may_be_kept.contains(&kept) && (kept..=*recorded).contains(&heard);
            is_whole &= self.glass.hits(route) == Some(kept);
            lost += heard.saturating_sub(kept);
        }
        is_whole && self.glass.not_kept() == Some(lost)
    }

    /// The observed counts, for the message of a failed check.
    pub(crate) fn told(&self) -> String {
        let glass = &self.glass;
        let living = self
            .living()
            .map(|(route, recorded)| (glass.hits(&route), glass.kept(&route), glass.called(&route), recorded, route));
        let living: Vec<_> = living.collect();
        let dead =
            self.dead.iter().map(|dead| (glass.heard(&dead.route), glass.hits(&dead.route), glass.kept(&dead.route), dead));
        let dead: Vec<_> = dead.collect();
        format!(
            "told, kept, by caller and recorded are {living:?}; heard, told and kept of the dead {dead:?}, of which {:?} are told as lost",
            glass.not_kept()
        )
    }

    /// Waits until all invariants hold, and checks that they continue to hold.
    pub(crate) fn settle(&mut self, must_be_durable: bool, also: impl Fn(&Self) -> bool) {
        self.calm.cancel();
        let until = self.sim.elapsed() + CALM;
        // A loss is counted when the successor of the dead process has connected, which may be pending if it has no
        // requests.
        let is_settled = |mesh: &Self| mesh.is_exact() && mesh.is_called() && also(mesh) && mesh.losses_are_told();
        while !(is_settled(self) && (!must_be_durable || self.is_durable())) {
            assert!(self.sim.elapsed() < until, "{CALM:?} after the trouble: {}", self.told());
            self.pass(Duration::from_secs(1));
        }
        // A draining sidecar waits until all its counts are on disk.
        self.leave.cancel();
        self.pass(Duration::from_secs(8));
        assert!(self.is_durable(), "what was on disk did not stay so, or the sidecars left too early: {}", self.told());
        assert!(self.is_exact() && self.is_called() && also(self), "the totals were right, and did not stay so: {}", self.told());
        assert!(self.losses_are_told(), "more was lost than a killed sidecar's last words, or it was not told: {}", self.told());
        // A restart may only lose what was never on disk.
        self.restart_control_plane();
        self.pass(Duration::from_secs(3));
        assert!(self.is_exact() && self.is_durable(), "a restart took some of the totals away: {}", self.told());
        assert!(self.losses_are_told() && self.glass.not_kept() == Some(0), "nobody is there who could lose: {}", self.told());
    }
}
