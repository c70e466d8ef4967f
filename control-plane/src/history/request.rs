//! What a reader asks the pods for, and one exchange of their answer.

use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;

/// What a reader requests.
#[derive(Debug, Clone)]
pub struct HistoryRequest<'a> {
    /// The namespace of the service.
    pub namespace: &'a str,
    /// The service.
    pub service: &'a str,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// Limits the request to the pod of this name.
    pub pod: Option<&'a str>,
    /// The limit on exchanges per pod; the newest are returned.
    pub limit: usize,
}

/// An exchange and the pod that recorded it.
#[derive(Debug, Clone)]
pub struct RememberedExchange {
    /// The pod's name.
    pub pod: Arc<str>,
    /// The exchange.
    pub exchange: Exchange,
    /// Where it comes from.
    pub source: HistorySource,
}

/// Where an exchange comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistorySource {
    /// The pod has answered with it now.
    Fetched,
    /// The pod has pushed it earlier, and does not answer now.
    Pushed,
}
