//! The commands that the background tasks send to a worker.

use std::sync::Arc;
use std::time::Duration;

use mesh::report::EndpointReport;
use tokio::sync::oneshot;

use crate::rulebook::TimedRule;

/// A command. The worker replies when it is done.
pub(crate) enum WorkerCommand {
    /// Accept traffic.
    Open,
    /// Return the counts since the last call.
    Collect(oneshot::Sender<Vec<EndpointReport>>),
    /// Apply these rules.
    ApplyRules(Arc<Vec<TimedRule>>, oneshot::Sender<()>),
    /// Continue, but close each connection after its exchange.
    StopKeepAlive(oneshot::Sender<()>),
    /// Stop accepting new connections.
    StopAccepting(oneshot::Sender<()>),
    /// Finish exchanges in progress within this time, and accept nothing new.
    Drain(Duration, oneshot::Sender<()>),
}
