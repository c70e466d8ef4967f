//! `/api/v1/audit`: the audit trail of commands and their results.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// The response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The number of entries ever written.
    pub entries: u64,
    /// The newest entries, newest first.
    pub audit: Vec<Entry>,
}

/// One entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up by one.
    pub number: u64,
    /// When it happened, RFC 3339.
    pub at: String,
    /// The person who did it.
    pub by: String,
    /// What was done: `turned_off`, `turned_on`, `lapsed`, `pinned`, `unpinned`, `refused`.
    pub event: String,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The route.
    pub route: String,
    /// The pods by name; empty for all.
    pub pods: Vec<String>,
    /// The status that callers get.
    pub status: u16,
    /// When the rule expires, RFC 3339.
    pub expires_at: Option<String>,
    /// The reason that the person gave.
    pub reason: String,
    /// Why it was refused, or that it expired.
    pub note: String,
    /// The id of the rule.
    pub rule: Option<String>,
    /// The revision that it created.
    pub revision: Option<u64>,
}

impl Client {
    /// Returns the newest `limit` entries.
    pub async fn audit(&self, limit: u32) -> Result<Audit, Failure> {
        let query = [("limit", Some(limit.to_string()))];
        self.get(&Question { what: "read the audit trail", path: &["api", "v1", "audit"], query: &query }).await
    }
}
