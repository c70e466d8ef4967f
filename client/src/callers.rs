//! `/api/v1/endpoints/{id}/callers`: who has been calling an endpoint.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Callers {
    /// The endpoint's id.
    pub id: String,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The route.
    pub route: String,
    /// When it was asked for, RFC 3339.
    pub taken_at: String,
    /// Requests of all callers together.
    pub hits: u64,
    /// Requests of which nobody knows any more whose they were.
    pub unknown_hits: u64,
    /// Requests per second.
    pub rps: f64,
    /// Those that have called most first, and last all who are not told apart.
    pub callers: Vec<Caller>,
}

/// One who calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    /// What it is.
    pub kind: Kind,
    /// Of a service.
    pub namespace: Option<String>,
    /// Of a service.
    pub service: Option<String>,
    /// An address that is no pod's.
    pub address: Option<String>,
    /// Requests since the pods started.
    pub hits: u64,
    /// Its share of all hits, 0 to 1.
    pub share: f64,
    /// Of the hits, failed by the service or by Sitio.
    pub failures: u64,
    /// Requests per second.
    pub rps: f64,
    /// When the newest request came, RFC 3339.
    pub last_seen: String,
    /// The pods of a service that call.
    pub pods: Vec<CallingPod>,
}

/// What a caller is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A service whose pods have told where they call from.
    Service,
    /// An address that is no pod's.
    Address,
    /// All who are not told apart.
    Other,
    /// A word that this client does not know yet.
    #[serde(untagged)]
    Unknown(String),
}

/// One pod that calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallingPod {
    /// Its name; `None` if several pods of the service share the address.
    pub pod: Option<String>,
    /// Where it calls from.
    pub address: String,
    /// Requests since the pods started.
    pub hits: u64,
    /// Its share of all hits, 0 to 1.
    pub share: f64,
    /// Of the hits, failed by the service or by Sitio.
    pub failures: u64,
    /// Requests per second.
    pub rps: f64,
    /// When the newest request came, RFC 3339.
    pub last_seen: String,
}

impl Client {
    /// Who has been calling an endpoint.
    pub async fn callers(&self, id: &str) -> Result<Callers, Failure> {
        let path = ["api", "v1", "endpoints", id, "callers"];
        self.get(&Question { what: "get the callers", path: &path, query: &[] }).await
    }
}
