//! A group of tasks of the mesh that run in this process and are started, watched and stopped together.

use std::future::pending;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Owns a group of tasks. Dropping it aborts them.
#[derive(Debug, Default)]
pub(crate) struct TaskGroup {
    running: JoinSet<anyhow::Result<()>>,
    drain: CancellationToken,
}

impl TaskGroup {
    /// The token that signals the tasks to stop.
    pub(crate) fn drain(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Starts a task.
    pub(crate) fn start(&mut self, part: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.running.spawn(part);
    }

    /// Waits for a task that ends before a stop was requested, and returns the reason. Without any task, it waits
    /// forever.
    pub(crate) async fn ended_early(&mut self) -> anyhow::Error {
        match self.running.join_next().await {
            Some(Ok(Ok(()))) => anyhow!("a part of the mesh ended by itself"),
            Some(Ok(Err(why))) => why,
            Some(Err(panic)) => anyhow!(panic).context("a part of the mesh panicked"),
            None => pending().await,
        }
    }

    /// Signals all tasks to stop, and waits; after `within`, the rest is aborted.
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
    async fn a_part_that_fails_is_reported_before_the_end() {
        let mut parts = TaskGroup::default();
        parts.start(async { Err(anyhow!("out of luck")) });
        assert_eq!(parts.ended_early().await.to_string(), "out of luck");
    }

    #[tokio::test]
    async fn tasks_end_on_request_and_the_others_are_aborted() {
        let mut parts = TaskGroup::default();
        let drain = parts.drain();
        parts.start(async move {
            drain.cancelled().await;
            Ok(())
        });
        parts.start(pending());
        assert!(parts.stop(Duration::from_millis(50)).await.is_ok());
    }
}
