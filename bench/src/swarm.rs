//! A swarm: thousands of simulated sidecars in one process, each with a real stream to the control plane.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::swarm::dial::{Connections, Dialler};
use crate::swarm::sidecar::SimulatedSidecar;
use crate::swarm::size::SwarmSize;
use crate::swarm::stream::Second;
use crate::swarm::tally::SwarmCounters;
use crate::swarm::traffic::PodTraffic;

pub mod api;
pub mod dial;
pub mod figure;
pub mod server;
pub mod sidecar;
pub mod size;
pub mod stages;
mod stream;
pub mod tally;
pub mod traffic;
mod windows;

/// How long all sidecars together may take to attach.
const ATTACH_WITHIN: Duration = Duration::from_secs(60);

/// The running sidecars; all of them end when it is dropped.
pub struct Swarm {
    /// Counters over all sidecars.
    pub tally: Arc<SwarmCounters>,
    /// The size of the mesh.
    pub size: SwarmSize,
    sidecars: JoinSet<()>,
    leave: CancellationToken,
}

impl Swarm {
    /// Starts all sidecars at once.
    pub fn start(control_plane: SocketAddr, size: SwarmSize, connections: Connections) -> Self {
        let (tally, traffic) = (Arc::new(SwarmCounters::of(size.sidecars)), Arc::new(PodTraffic::of(size.endpoints)));
        let reported = (Arc::clone(&traffic), Arc::new(Second::of(&traffic)));
        let (mut sidecars, leave) = (JoinSet::new(), CancellationToken::new());
        let mut dialler = Dialler::new(control_plane, connections);
        for number in 0..size.sidecars {
            let sidecar = SimulatedSidecar::new(number, size, dialler.to(number), reported.clone(), Arc::clone(&tally));
            let leave = leave.clone();
            sidecars.spawn(async move {
                leave.run_until_cancelled(sidecar.run()).await;
            });
        }
        Self { tally, size, sidecars, leave }
    }

    /// Waits until all sidecars are attached and have sent a snapshot, and returns how long that took.
    pub async fn attached(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        while self.tally.attached() < self.size.sidecars {
            let attached = self.tally.attached();
            ensure!(
                began.elapsed() < ATTACH_WITHIN,
                "only {attached} are attached after {ATTACH_WITHIN:?}: {}",
                self.tally.why()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(began.elapsed())
    }

    /// Ends all streams.
    pub async fn leave(mut self) {
        self.leave.cancel();
        while self.sidecars.join_next().await.is_some() {}
    }
}
