//! `/api/v1/status`: whether the control plane's counts are durable.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;
use crate::recovery::Recovery;

/// The status of the control plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The status of its store.
    pub store: Store,
    /// Pods that have not reported since the restart; an older control plane does not send this.
    pub recovery: Option<Recovery>,
}

/// The status of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// Whether counts are on disk a moment after they arrive.
    pub durable: bool,
    /// Since when counts are not durable, RFC 3339.
    pub not_durable_since: Option<String>,
    /// The disk's error message.
    pub why: Option<String>,
    /// The start of the stored history, RFC 3339.
    pub since: String,
    /// Size of the file in bytes; `None` if it cannot be read now.
    pub file_bytes: Option<u64>,
    /// Time slots deleted before their retention ended, for lack of space; `None` if it cannot be read now.
    pub slots_crowded_out: Option<u64>,
    /// Requests of pods that died before they sent the windows of them. They are in the totals, but not on disk.
    pub hits_not_durable: u64,
    /// Why the previous store was replaced, in words for people; `None` if it was not, or if the
    /// control plane is older than this field.
    #[serde(default)]
    pub replaced: Option<String>,
}

impl Client {
    /// Returns the status of the control plane.
    pub async fn status(&self) -> Result<Status, Failure> {
        self.get(&Question { what: "ask the control plane how it is doing", path: &["api", "v1", "status"], query: &[] }).await
    }
}
