//! `/api/v1/routes`: the patterns by which the paths of a service are named.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;
use crate::rules::{Receipt, State};

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// The newest revision.
    pub revision: u64,
    /// Those pinned, the newest first.
    pub routes: Vec<Route>,
}

/// A pinned pattern with its receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Its name.
    pub id: String,
    /// The revision that brought it.
    pub revision: u64,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// `{name}` is one segment, a last `{name...}` any rest.
    pub pattern: String,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
    /// How it is doing.
    pub state: State,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// What each pod has said.
    pub pods: Vec<Receipt>,
}

impl Client {
    /// The patterns that are pinned.
    pub async fn routes(&self) -> Result<Routes, Failure> {
        self.get(&Question { what: "list the routes", path: &["api", "v1", "routes"], query: &[] }).await
    }
}
