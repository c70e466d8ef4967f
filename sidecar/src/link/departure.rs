//! The end of a link: when it has come, and by when everything must be said.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The longest that a drain waits for a control plane to put the last windows on disk: one that is being restarted is
/// back by then, and a pod that leaves has more to wait for than this.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// When a link is to leave.
pub(super) struct Departure {
    drain: CancellationToken,
    by: OnceLock<Instant>,
}

impl Departure {
    pub(super) fn when(drain: CancellationToken) -> Self {
        Self { drain, by: OnceLock::new() }
    }

    /// Returns when the end has come.
    pub(super) async fn has_come(&self) {
        self.drain.cancelled().await;
    }

    /// Does this until the end has come; `None` if it came first.
    pub(super) async fn or<F: Future>(&self, what: F) -> Option<F::Output> {
        self.drain.run_until_cancelled(what).await
    }

    /// By when the last windows must be on disk. The time begins when this is asked first.
    pub(super) fn by(&self) -> Instant {
        *self.by.get_or_init(|| Instant::now() + FAREWELL_MAX)
    }
}
