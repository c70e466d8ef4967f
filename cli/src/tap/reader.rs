//! Detects that standard output was closed: `sitio tap | head -1` must end even if no exchange follows.

use std::io::stdout;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The poll interval.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits until the pipe of standard output is closed; forever if it is not a pipe.
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
