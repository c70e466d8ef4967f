//! Whether anybody still reads the output: `sitio tap | head -1` must end although nothing more happens.

use std::io::stdout;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits until the pipe that the output goes to is closed; for ever, if it is none.
pub(super) async fn left() -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let output = stdout();
        let mut looked_at = [PollFd::new(&output, PollFlags::empty())];
        poll(&mut looked_at, Some(&Timespec::default()))?;
        if looked_at[0].revents().contains(PollFlags::ERR) {
            return Ok(());
        }
    }
}
