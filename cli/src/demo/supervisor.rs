//! Keeps the demo's control plane running: started again whenever it dies, until it is told to leave.

mod deaths;
mod process;

use std::path::Path;
use std::time::Duration;

use control_plane::control_plane::Listeners;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::demo::supervisor::deaths::{Deaths, cause};
use crate::demo::supervisor::process::{Process, Program};
use crate::say::say;

/// It has only to close its store. A local mesh waits a little longer: enough to kill one that does not leave.
const LEAVES_WITHIN: Duration = Duration::from_millis(500);

/// A control plane in a process of its own. Dropping it ends the process at once.
#[derive(Debug)]
pub(crate) struct Supervisor {
    program: Program,
    process: Process,
    born: Instant,
    deaths: Deaths,
}

impl Supervisor {
    /// Starts the process. The ports stay ours as well: while there is no control plane, connections wait in the kernel.
    pub(crate) fn start(listeners: Listeners, data_dir: &Path) -> anyhow::Result<Self> {
        let program = Program::of_ours(listeners, data_dir)?;
        Ok(Self { process: program.start()?, program, born: Instant::now(), deaths: Deaths::default() })
    }

    /// The number of the process, to kill it by.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Runs until drained, or until the control plane has died too often.
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
            // Nobody may be reading any more, and the demo goes on all the same.
            let _ = say(&words);
        }
    }
}
