//! The control client: keeps one gRPC stream open to the control plane (reports up, rules down) and reconnects.

use std::sync::Arc;

use mesh::routes::route_patterns::Pins;
use proto::convert::greeting::Greeting;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::control_client::backoff::{BACKOFF_MIN, Backoff};
use crate::control_client::dial::{ControlPlaneTarget, Transport};
use crate::control_client::drain_deadline::DrainDeadline;
use crate::control_client::metrics::ControlClientMetrics;
use crate::control_client::session::{Session, SessionEnd};
use crate::ledger::Ledger;
use crate::ledger::collector::LedgerHandle;
use crate::recorder::exchange_bus::ExchangeBus;
use crate::worker::Workers;

mod backoff;
mod control_clock;
pub mod dial;
mod drain_deadline;
pub mod metrics;
mod pages;
mod rule_filter;
mod session;
mod taps;
mod windows;

/// The control client of the sidecar.
pub struct ControlClient {
    /// The control plane to connect to.
    pub control_plane: ControlPlaneTarget,
    /// How connections to it are made.
    pub transport: Transport,
    /// Identifies this process; its session number is that of the last opened stream.
    pub greeting: Greeting,
    /// The patterns pinned by setting.
    pub routes: Pins,
    /// The source of reports.
    pub books: LedgerHandle,
    /// The workers that apply the rules.
    pub workers: Arc<Workers>,
    /// Where taps subscribe to exchanges.
    pub outlet: Arc<ExchangeBus>,
    /// Counters of the control client.
    pub meter: Arc<ControlClientMetrics>,
    /// Fires once the first set of rules was applied or refused.
    pub first_rules: Option<oneshot::Sender<()>>,
}

impl ControlClient {
    /// Keeps the stream open until drained, and then sends the last numbers and a goodbye.
    ///
    /// Rules stay in force while there is no stream; each expires at its own time.
    pub async fn run(mut self, drain: CancellationToken) {
        self.books.read(Ledger::keep_windows);
        let departure = DrainDeadline::when(drain);
        self.hold_on(&departure).await;
        self.settle(&departure).await;
    }

    /// Reconnects whenever the stream is lost, until drained.
    async fn hold_on(&mut self, departure: &DrainDeadline) {
        let mut patience = Backoff::new();
        let mut is_lost = false;
        loop {
            let Some(attached) = departure.or(self.attach()).await else { return };
            let why = match attached {
                Err(why) => format!("{why:#}"),
                Ok(session) => {
                    tracing::info!("connected to the control plane at {}", self.control_plane.uri);
                    is_lost = false;
                    let since = Instant::now();
                    let SessionEnd::Lost(why) = self.hold(session, departure).await else { return };
                    patience.held_for(since.elapsed());
                    why
                }
            };
            let wait = patience.wait();
            if is_lost {
                tracing::debug!("still no control plane: {why}; dialling again in {wait:.1?}");
            } else {
                tracing::warn!("no control plane: {why}; dialling again in {wait:.1?} and on, with the rules as they are");
            }
            is_lost = true;
            if departure.or(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Reconnects if some counts are not known to be on disk: a control plane that is restarting may be back in time.
    async fn settle(&mut self, departure: &DrainDeadline) {
        let by = departure.by();
        // The last counts of the workers are known only after a collection.
        self.books.close_window().await;
        while self.books.read(|ledger| ledger.owes_windows()) && Instant::now() < by {
            match tokio::time::timeout_at(by, self.attach()).await {
                Ok(Ok(session)) => drop(self.hold(session, departure).await),
                Ok(Err(why)) => tracing::debug!("no control plane to take the last windows: {why:#}"),
                Err(_) => break,
            }
            tokio::time::sleep(BACKOFF_MIN).await;
        }
        if self.books.read(|ledger| ledger.owes_windows()) {
            tracing::warn!("leaving with numbers of which no control plane has said that they are on disk");
        }
    }

    /// Opens a stream. Its session number is one higher than the last, which supersedes the earlier stream.
    async fn attach(&mut self) -> anyhow::Result<Session> {
        self.greeting.session += 1;
        self.greeting.uptime = Some(self.books.uptime());
        self.meter.dialled();
        let attached = dial::attach(&self.control_plane, &self.transport, self.greeting.clone()).await?;
        Ok(Session::begin(attached, self))
    }

    async fn hold(&mut self, session: Session, departure: &DrainDeadline) -> SessionEnd {
        self.meter.is_up(true);
        let ended = session.run(self, departure).await;
        self.meter.is_up(false);
        ended
    }
}

#[cfg(test)]
pub(crate) mod tests;
