//! `/api/v1/about`: the control plane itself, and how far its clock is from ours.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// What a control plane says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its version.
    pub version: String,
    /// When it was started, RFC 3339.
    pub started_at: String,
    /// Its clock as it answered, milliseconds since the Unix epoch.
    pub now_ms: u64,
}

impl Client {
    /// Succeeds if a control plane answers; no token is needed for that.
    pub async fn is_there(&self) -> Result<(), Failure> {
        self.text(&Question { what: "look for the control plane", path: &["livez"], query: &[] }).await.map(drop)
    }

    /// Asks the control plane about itself.
    pub async fn about(&self) -> Result<About, Failure> {
        self.get(&Question { what: "ask the control plane about itself", path: &["api", "v1", "about"], query: &[] }).await
    }
}
