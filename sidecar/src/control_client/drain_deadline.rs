//! The end of a control client: when the drain starts, and the deadline for the last windows.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The longest time that a drain waits for a control plane to put the last windows on disk. A restarting control plane
/// is back within this time, and a terminating pod waits longer than this for other things.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// When the control client must end.
pub(super) struct DrainDeadline {
    drain: CancellationToken,
    by: OnceLock<Instant>,
}

impl DrainDeadline {
    pub(super) fn new(drain: CancellationToken) -> Self {
        Self { drain, by: OnceLock::new() }
    }

    /// Waits until the drain starts.
    pub(super) async fn started(&self) {
        self.drain.cancelled().await;
    }

    /// Runs `what` until the drain starts; `None` if the drain came first.
    pub(super) async fn or<F: Future>(&self, what: F) -> Option<F::Output> {
        self.drain.run_until_cancelled(what).await
    }

    /// The deadline for the last windows to be on disk. The time starts at the first call.
    pub(super) fn by(&self) -> Instant {
        *self.by.get_or_init(|| Instant::now() + FLUSH_MAX)
    }
}
