//! `/api/v1/endpoints/{id}/callers`: the callers of an endpoint.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::words;

/// The callers of an endpoint, summed over its pods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// The time of all numbers.
    #[schema(format = DateTime)]
    pub taken_at: String,
    /// Requests of all callers.
    pub hits: u64,
    /// Requests whose caller is not known: of pods that were gone before the control plane started, and of sidecars that
    /// do not report callers.
    pub unknown_hits: u64,
    /// Requests per second over the last 10 s.
    pub rps: f64,
    /// The callers, most requests first; all callers without a row of their own come last.
    pub callers: Vec<Caller>,
}

/// One caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Caller {
    /// The kind of caller.
    pub kind: CallerKind,
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
    /// Requests per second: the endpoint's rate over the last 10 s, divided by the requests of each caller in about the
    /// last minute.
    pub rps: f64,
    /// When the newest request arrived, by the clock of the pod that was called.
    #[schema(format = DateTime)]
    pub last_seen: String,
    /// The calling pods of a service, most requests first.
    pub pods: Vec<CallerPod>,
}

words! {
    /// The kind of a caller.
    pub enum CallerKind {
        /// A service whose pods have reported their addresses.
        Service,
        /// An address that belongs to no known pod.
        Address,
        /// All callers without a row of their own.
        Other,
    }
}

/// One calling pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallerPod {
    /// The pod's name; null if several pods of the service share the address.
    pub pod: Option<String>,
    /// The address that it calls from.
    pub address: String,
    /// Requests since the pods started.
    pub hits: u64,
    /// Its share of all hits, 0 to 1.
    pub share: f64,
    /// Hits that failed in the service or in Sitio.
    pub failures: u64,
    /// Requests per second: the endpoint's rate over the last 10 s, divided by the requests of each caller in about the
    /// last minute.
    pub rps: f64,
    /// When the newest request arrived, by the clock of the pod that was called.
    #[schema(format = DateTime)]
    pub last_seen: String,
}
