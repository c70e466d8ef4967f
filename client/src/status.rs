//! `/api/v1/status`: whether what the control plane counts is on its disk.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;
use crate::recovery::Recovery;

/// How the control plane is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What it keeps.
    pub store: Store,
    /// Pods that have not reported since its restart; an older control plane does not say so.
    pub recovery: Option<Recovery>,
}

/// What the control plane keeps, and whether it can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// Whether what is counted is on disk a moment later.
    pub durable: bool,
    /// Since when it is not, RFC 3339.
    pub not_durable_since: Option<String>,
    /// Why it is not, in the words of the disk.
    pub why: Option<String>,
    /// Since when there is a record, RFC 3339.
    pub since: String,
    /// Bytes of its file; `None` if it cannot be read now.
    pub file_bytes: Option<u64>,
    /// Steps of time that were deleted before it was their turn, for want of room; `None` if it cannot be read now.
    pub slots_crowded_out: Option<u64>,
    /// Requests that pods have told before they died, and whose windows never came: they are in the totals, and not on disk.
    pub hits_not_durable: u64,
    /// Why the store is not the one that was there before, in words for people; `None` if it is, or if the control
    /// plane is older than this field.
    #[serde(default)]
    pub replaced: Option<String>,
}

impl Client {
    /// How the control plane is doing.
    pub async fn status(&self) -> Result<Status, Failure> {
        self.get(&Question { what: "ask the control plane how it is doing", path: &["api", "v1", "status"], query: &[] }).await
    }
}
