//! The settings of the proxy.

use std::sync::Arc;

use mesh::routes::route_patterns::Pattern;

use crate::decorator::Decorator;
use crate::forwarding::Forwarding;
use crate::head::HeadLimits;
use crate::protocol::Protocol;
use crate::recorder::exchange_bus::ExchangeBus;
use crate::target::ServiceAddr;
use crate::timeouts::Timeouts;

/// The settings that all workers of a sidecar share.
pub struct TunnelOptions {
    /// Where the service listens.
    pub target: ServiceAddr,
    /// The protocol of downstream connections.
    pub protocol: Protocol,
    /// Decorators around the service, in the order in which they see requests.
    pub decorators: Vec<Arc<dyn Decorator>>,
    /// Patterns that name routes. Other paths are named by the form of their segments.
    pub routes: Vec<Pattern>,
    /// Paths that prefix rules exclude.
    pub protected: Vec<String>,
    /// The timeouts.
    pub timeouts: Timeouts,
    /// Limits of a message head.
    pub limits: HeadLimits,
    /// Which fields describe the downstream to the service.
    pub forwarding: Forwarding,
    /// The most downstream connections at once. The default is as many as the descriptor limit allows.
    pub connections_max: Option<u32>,
    /// The exchange bus, which publishes completed exchanges.
    pub outlet: Arc<ExchangeBus>,
    /// Whether the history keeps queries.
    pub queries: Queries,
}

/// Whether a stored path keeps its query. Queries may contain tokens and names of persons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Queries {
    /// The query is removed.
    #[default]
    Dropped,
    /// The query is stored with the path.
    Kept,
}

impl TunnelOptions {
    /// The settings for `target`, with the program's defaults.
    pub fn new(target: impl Into<ServiceAddr>) -> Self {
        Self {
            target: target.into(),
            protocol: Protocol::default(),
            decorators: Vec::new(),
            routes: Vec::new(),
            protected: Vec::new(),
            timeouts: Timeouts::default(),
            limits: HeadLimits::default(),
            forwarding: Forwarding::default(),
            connections_max: None,
            outlet: Arc::default(),
            queries: Queries::default(),
        }
    }
}
