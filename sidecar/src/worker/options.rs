//! What the tunnel needs to know.

use std::sync::Arc;

use mesh::routes::pins::Pattern;

use crate::decorator::Decorator;
use crate::forwarding::Forwarding;
use crate::head::Limits;
use crate::protocol::Protocol;
use crate::recorder::outlet::Outlet;
use crate::target::Target;
use crate::timeouts::Timeouts;

/// The values that every worker of a sidecar has in common.
pub struct TunnelOptions {
    /// Where the service listens.
    pub target: Target,
    /// What connections are taken for.
    pub protocol: Protocol,
    /// Behaviour put around the service, in the order in which requests meet it.
    pub decorators: Vec<Arc<dyn Decorator>>,
    /// Patterns by which paths are named; others are named by what they look like.
    pub routes: Vec<Pattern>,
    /// Paths that a rule for a prefix leaves out.
    pub protected: Vec<String>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// What a head may have.
    pub limits: Limits,
    /// What the service is told of the downstream.
    pub forwarding: Forwarding,
    /// Downstream connections held at once; otherwise as many as descriptors allow.
    pub connections_max: Option<u32>,
    /// Where finished exchanges can be read, one by one.
    pub outlet: Arc<Outlet>,
    /// What becomes of a query in the history.
    pub queries: Queries,
}

/// What becomes of the query of a path that is remembered. It is where tokens and names of persons stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Queries {
    /// It is left out.
    #[default]
    Dropped,
    /// It is remembered with the path.
    Kept,
}

impl TunnelOptions {
    /// A tunnel to `target`, with the defaults of the program.
    pub fn new(target: impl Into<Target>) -> Self {
        Self {
            target: target.into(),
            protocol: Protocol::default(),
            decorators: Vec::new(),
            routes: Vec::new(),
            protected: Vec::new(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            forwarding: Forwarding::default(),
            connections_max: None,
            outlet: Arc::default(),
            queries: Queries::default(),
        }
    }
}
