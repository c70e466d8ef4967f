//! `/api/v1/audit`: what was asked for and what became of it.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// How many entries there have ever been.
    pub entries: u64,
    /// The newest first.
    pub audit: Vec<Entry>,
}

/// One line of the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up by one.
    pub number: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
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
    /// What callers get.
    pub status: u16,
    /// When it lapses, RFC 3339.
    pub expires_at: Option<String>,
    /// Why, in the words of whoever asked.
    pub reason: String,
    /// Why it was refused, or that its time was over.
    pub note: String,
    /// The rule.
    pub rule: Option<String>,
    /// The revision that it brought.
    pub revision: Option<u64>,
}

impl Client {
    /// The newest entries, so many.
    pub async fn audit(&self, limit: u32) -> Result<Audit, Failure> {
        let query = [("limit", Some(limit.to_string()))];
        self.get(&Question { what: "read the audit trail", path: &["api", "v1", "audit"], query: &query }).await
    }
}
