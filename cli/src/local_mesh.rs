//! The control plane and the pods that run in this process, and their shutdown order.

use std::time::Duration;

use control_plane::app::options::AppOptions;
use control_plane::app::run;

use crate::data_dir::{BoundPorts, Home};
use crate::task_group::TaskGroup;

/// The time to stop the control plane, which only has to close its store.
const CONTROL_PLANE_LEAVES_WITHIN: Duration = Duration::from_millis(600);

/// An optional control plane, and the pods that connect to it.
#[derive(Debug, Default)]
pub(crate) struct LocalMesh {
    /// One task, or none.
    pub(crate) control_plane: TaskGroup,
    /// One task for each pod.
    pub(crate) pods: TaskGroup,
    /// Owned here and not by a task, so that the folder is removed even on an abrupt end; the last field, so that it is
    /// dropped last.
    home: Option<Home>,
}

impl LocalMesh {
    /// Starts the control plane, inside this process.
    pub(crate) fn start_control_plane(&mut self, place: BoundPorts) {
        let (listeners, home) = place.into_parts();
        let drain = self.control_plane.drain();
        self.control_plane.start(run(AppOptions::in_folder(home.path()), listeners, drain));
        self.keep(home);
    }

    /// Keeps a folder until everything else has stopped.
    pub(crate) fn keep(&mut self, home: Home) {
        self.home = Some(home);
    }

    /// Waits for a task that ends before a stop was requested, and returns the reason.
    pub(crate) async fn ended_early(&mut self) -> anyhow::Error {
        tokio::select! {
            why = self.control_plane.ended_early() => why,
            why = self.pods.ended_early() => why,
        }
    }

    /// Stops the pods first, within `pods_within`, so that the control plane receives their last reports; then stops
    /// the control plane.
    pub(crate) async fn stop(self, pods_within: Duration) -> anyhow::Result<()> {
        let pods = self.pods.stop(pods_within).await;
        let control_plane = self.control_plane.stop(CONTROL_PLANE_LEAVES_WITHIN).await;
        pods.and(control_plane)
    }
}
