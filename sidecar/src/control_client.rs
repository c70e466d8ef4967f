//! The control client: keeps one gRPC stream open to the control plane (reports up, rules down) and reconnects.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::control_client::backoff::{BACKOFF_MIN, Backoff};
use crate::control_client::client::ControlClient;
use crate::control_client::drain_deadline::DrainDeadline;
use crate::control_client::session::{Session, SessionEnd};
use crate::ledger::Ledger;

mod backoff;
pub mod client;
mod control_clock;
pub mod dial;
mod drain_deadline;
pub mod metrics;
mod pages;
mod rule_filter;
pub mod rule_instances;
mod session;
mod taps;
mod windows;

impl ControlClient {
    /// Keeps the stream open until drained, and then sends the last numbers and a goodbye.
    ///
    /// Rules stay in force while there is no stream; each expires at its own time.
    pub async fn run(mut self, drain: CancellationToken) {
        self.ledger_handle.read(Ledger::keep_windows);
        let drain_deadline = DrainDeadline::new(drain);
        self.keep_connected(&drain_deadline).await;
        self.flush_windows(&drain_deadline).await;
    }

    /// Reconnects whenever the stream is lost, until drained.
    async fn keep_connected(&mut self, drain_deadline: &DrainDeadline) {
        let mut backoff = Backoff::new();
        let mut is_lost = false;
        loop {
            let Some(attached) = drain_deadline.or(self.open_session()).await else { return };
            let why = match attached {
                Err(why) => format!("{why:#}"),
                Ok(session) => {
                    tracing::info!("connected to the control plane at {}", self.control_plane.uri);
                    is_lost = false;
                    let since = Instant::now();
                    let ended = self.run_session(session, drain_deadline).await;
                    backoff.stream_lasted(since.elapsed());
                    match ended {
                        SessionEnd::Drained => return,
                        SessionEnd::Lost(why) => why,
                        SessionEnd::TokenRenewed => {
                            tracing::info!("the token for the control plane was renewed: reconnecting with the new one");
                            continue;
                        }
                    }
                }
            };
            let wait = backoff.wait();
            if is_lost {
                tracing::debug!("still not connected to the control plane: {why}; retrying in {wait:.1?}");
            } else {
                tracing::warn!("lost the control plane: {why}; retrying in {wait:.1?}, rules stay in force");
            }
            is_lost = true;
            if drain_deadline.or(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Reconnects if some counts are not known to be on disk: a control plane that is restarting may be back in time.
    async fn flush_windows(&mut self, drain_deadline: &DrainDeadline) {
        let by = drain_deadline.by();
        // The last counts of the workers are known only after a collection.
        self.ledger_handle.close_window().await;
        while self.ledger_handle.read(|ledger| ledger.has_undurable()) && Instant::now() < by {
            match tokio::time::timeout_at(by, self.open_session()).await {
                Ok(Ok(session)) => drop(self.run_session(session, drain_deadline).await),
                Ok(Err(why)) => tracing::debug!("cannot connect to send the last windows: {why:#}"),
                Err(_) => break,
            }
            tokio::time::sleep(BACKOFF_MIN).await;
        }
        if self.ledger_handle.read(|ledger| ledger.has_undurable()) {
            tracing::warn!("exiting with counts that no control plane has acked as durable");
        }
    }

    /// Opens a stream. Its session number is one higher than the last, which supersedes the earlier stream.
    async fn open_session(&mut self) -> anyhow::Result<Session> {
        self.greeting.session += 1;
        self.greeting.uptime = Some(self.ledger_handle.uptime());
        self.metrics.count_dial();
        let attached = dial::attach(&self.control_plane, &self.transport, self.greeting.clone()).await?;
        Ok(Session::begin(attached, self))
    }

    async fn run_session(&mut self, session: Session, drain_deadline: &DrainDeadline) -> SessionEnd {
        self.metrics.set_up(true);
        let ended = session.run(self, drain_deadline).await;
        self.metrics.set_up(false);
        ended
    }
}

#[cfg(test)]
pub(crate) mod tests;
