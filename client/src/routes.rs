//! `/api/v1/routes`: the pinned route patterns of services.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;
use crate::rules::{Receipt, State};

/// The response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// The newest revision.
    pub revision: u64,
    /// The pinned patterns, newest first.
    pub routes: Vec<Route>,
}

/// A pinned pattern with the receipts of its pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Its id.
    pub id: String,
    /// The revision that created it.
    pub revision: u64,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The pattern: `{name}` matches one segment, a last `{name...}` matches any rest.
    pub pattern: String,
    /// The reason that the person gave.
    pub reason: String,
    /// The person who asked for it.
    pub by: String,
    /// Whether the pods apply it.
    pub state: State,
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// The receipt of each pod.
    pub pods: Vec<Receipt>,
}

impl Client {
    /// Returns the pinned patterns.
    pub async fn routes(&self) -> Result<Routes, Failure> {
        self.get(&Question { what: "list the routes", path: &["api", "v1", "routes"], query: &[] }).await
    }
}
