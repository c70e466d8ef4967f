//! Supervises the demo's control plane process: restarts it whenever it dies, until the demo stops.

mod deaths;
mod process;

use std::path::Path;
use std::time::Duration;

use control_plane::app::listeners::AppListeners;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::demo::supervisor::deaths::{Deaths, cause};
use crate::demo::supervisor::process::{ControlPlaneChild, Program};
use crate::stdout::say;

/// The control plane only has to close its store. A local mesh waits a little longer: enough to kill one that hangs.
const LEAVES_WITHIN: Duration = Duration::from_millis(500);

/// Runs a control plane in a child process. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Supervisor {
    program: Program,
    process: ControlPlaneChild,
    born: Instant,
    deaths: Deaths,
}

impl Supervisor {
    /// Starts the process. This process keeps the listening sockets open too: without a control plane, connections wait
    /// in the kernel.
    pub(crate) fn start(listeners: AppListeners, data_dir: &Path, notifications_file: Option<&Path>) -> anyhow::Result<Self> {
        let program = Program::of_ours(listeners, data_dir, notifications_file)?;
        Ok(Self { process: program.start()?, program, born: Instant::now(), deaths: Deaths::default() })
    }

    /// The process id, for a user who wants to kill it.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Runs until drained; fails if the control plane has died too often.
    pub(crate) async fn run(mut self, drain: CancellationToken) -> anyhow::Result<()> {
        loop {
            let status = tokio::select! {
                status = self.process.ended() => status?,
                () = drain.cancelled() => return self.process.leave(LEAVES_WITHIN).await,
            };
            self.deaths.add(status, self.born.elapsed())?;
            (self.process, self.born) = (self.program.start()?, Instant::now());
            let words =
                format!("the control plane has ended ({}); started again as process {}\n", cause(status), self.process_id());
            // Standard output may be closed; the demo continues.
            let _ = say(&words);
        }
    }
}
