//! The part of a mesh that this program runs, and the order in which it leaves.

use std::time::Duration;

use control_plane::control_plane::{Options, run};

use crate::parts::Parts;
use crate::place::{Home, Taken};

/// It has only to close its store.
const CONTROL_PLANE_LEAVES_WITHIN: Duration = Duration::from_millis(600);

/// A control plane, if there is one here, and pods that dial it.
#[derive(Debug, Default)]
pub(crate) struct LocalMesh {
    /// One part, or none.
    pub(crate) control_plane: Parts,
    /// One part for each pod.
    pub(crate) pods: Parts,
    /// Owned here and not by a task, so that it goes even if the end comes at once; last, so that it goes last.
    home: Option<Home>,
}

impl LocalMesh {
    /// Starts the control plane, inside this process.
    pub(crate) fn start_control_plane(&mut self, place: Taken) {
        let (listeners, home) = place.into_parts();
        let drain = self.control_plane.drain();
        self.control_plane.start(run(Options::in_folder(home.path()), listeners, drain));
        self.keep(home);
    }

    /// Keeps a folder until everything else is gone.
    pub(crate) fn keep(&mut self, home: Home) {
        self.home = Some(home);
    }

    /// Waits for a part that ends although nobody told it to, and says why.
    pub(crate) async fn ended_early(&mut self) -> anyhow::Error {
        tokio::select! {
            why = self.control_plane.ended_early() => why,
            why = self.pods.ended_early() => why,
        }
    }

    /// The pods leave first, within so long, and the control plane hears their goodbye.
    pub(crate) async fn stop(self, pods_within: Duration) -> anyhow::Result<()> {
        let pods = self.pods.stop(pods_within).await;
        let control_plane = self.control_plane.stop(CONTROL_PLANE_LEAVES_WITHIN).await;
        pods.and(control_plane)
    }
}
