//! What the house tells a worker to do.

use std::sync::Arc;
use std::time::Duration;

use mesh::report::EndpointReport;
use tokio::sync::oneshot;

use crate::rulebook::TimedRule;

/// An order. The worker answers when it is done.
pub(crate) enum Order {
    /// Let traffic in.
    Open,
    /// Tell what was counted since the last time.
    Collect(oneshot::Sender<Vec<EndpointReport>>),
    /// Put these rules in force.
    Obey(Arc<Vec<TimedRule>>, oneshot::Sender<()>),
    /// Go on, but let each exchange be the last of its connection.
    Leave(oneshot::Sender<()>),
    /// Let no more traffic in than has already arrived.
    Shut(oneshot::Sender<()>),
    /// Take nothing new, finish what is under way, but no longer than this.
    Drain(Duration, oneshot::Sender<()>),
}
