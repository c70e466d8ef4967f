//! `/api/v1/endpoints/{id}/callers`: the callers of an endpoint.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// The response.
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
    /// When the data was taken, RFC 3339.
    pub taken_at: String,
    /// Requests of all callers.
    pub hits: u64,
    /// Requests whose caller is no longer known.
    pub unknown_hits: u64,
    /// Requests per second.
    pub rps: f64,
    /// The callers, most requests first; all callers without a row of their own come last.
    pub callers: Vec<Caller>,
}

/// One caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    /// The kind of caller.
    pub kind: Kind,
    /// The namespace, if it is a service.
    pub namespace: Option<String>,
    /// The name, if it is a service.
    pub service: Option<String>,
    /// The address, if it belongs to no known pod.
    pub address: Option<String>,
    /// Requests since the pods started.
    pub hits: u64,
    /// Its share of all hits, 0 to 1.
    pub share: f64,
    /// Hits that failed in the service or in Sitio.
    pub failures: u64,
    /// Requests per second.
    pub rps: f64,
    /// When the newest request arrived, RFC 3339.
    pub last_seen: String,
    /// The calling pods, if it is a service.
    pub pods: Vec<CallingPod>,
}

/// The kind of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A service whose pods have reported their addresses.
    Service,
    /// An address that belongs to no known pod.
    Address,
    /// All callers without a row of their own.
    Other,
    /// A kind that this client does not know yet.
    #[serde(untagged)]
    Unknown(String),
}

/// One calling pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallingPod {
    /// Its name; `None` if several pods of the service share the address.
    pub pod: Option<String>,
    /// The address that it calls from.
    pub address: String,
    /// Requests since the pods started.
    pub hits: u64,
    /// Its share of all hits, 0 to 1.
    pub share: f64,
    /// Hits that failed in the service or in Sitio.
    pub failures: u64,
    /// Requests per second.
    pub rps: f64,
    /// When the newest request arrived, RFC 3339.
    pub last_seen: String,
}

impl Client {
    /// Returns the callers of an endpoint.
    pub async fn callers(&self, id: &str) -> Result<Callers, Failure> {
        let path = ["api", "v1", "endpoints", id, "callers"];
        self.get(&Question { what: "get the callers", path: &path, query: &[] }).await
    }
}
