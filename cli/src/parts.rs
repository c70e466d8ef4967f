//! Parts of the mesh that run in this process: started, watched and ended together.

use std::future::pending;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Owns the tasks of some parts. Dropping it ends them at once.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    running: JoinSet<anyhow::Result<()>>,
    drain: CancellationToken,
}

impl Parts {
    /// What tells the parts to leave.
    pub(crate) fn drain(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Starts one more.
    pub(crate) fn start(&mut self, part: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.running.spawn(part);
    }

    /// Waits for a part that ends although nobody told it to, and says why. Without any part, it waits for ever.
    pub(crate) async fn ended_early(&mut self) -> anyhow::Error {
        match self.running.join_next().await {
            Some(Ok(Ok(()))) => anyhow!("a part of the mesh ended by itself"),
            Some(Ok(Err(why))) => why,
            Some(Err(panic)) => anyhow!(panic).context("a part of the mesh panicked"),
            None => pending().await,
        }
    }

    /// Tells all parts to leave, and waits; after `within`, the rest is ended at once.
    pub(crate) async fn stop(mut self, within: Duration) -> anyhow::Result<()> {
        self.drain.cancel();
        let mut outcome = Ok(());
        let all_leave = async {
            while let Some(left) = self.running.join_next().await {
                outcome = std::mem::replace(&mut outcome, Ok(())).and(left.context("a part of the mesh panicked").flatten());
            }
        };
        if tokio::time::timeout(within, all_leave).await.is_err() {
            tracing::debug!(parts = self.running.len(), "parts of the mesh took too long to leave and were ended");
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_fails_is_heard_of_before_the_end() {
        let mut parts = Parts::default();
        parts.start(async { Err(anyhow!("out of luck")) });
        assert_eq!(parts.ended_early().await.to_string(), "out of luck");
    }

    #[tokio::test]
    async fn parts_leave_when_told_and_the_stubborn_are_ended() {
        let mut parts = Parts::default();
        let drain = parts.drain();
        parts.start(async move {
            drain.cancelled().await;
            Ok(())
        });
        parts.start(pending());
        assert!(parts.stop(Duration::from_millis(50)).await.is_ok());
    }
}
