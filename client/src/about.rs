//! `/api/v1/about`: version, start time and clock of the control plane.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// What a control plane reports about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its version.
    pub version: String,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// Its clock when it answered, milliseconds since the Unix epoch.
    pub now_ms: u64,
}

impl Client {
    /// Checks that a control plane answers; this needs no token.
    pub async fn is_there(&self) -> Result<(), Failure> {
        self.text(&Question { what: "look for the control plane", path: &["livez"], query: &[] }).await.map(drop)
    }

    /// Returns what the control plane reports about itself.
    pub async fn about(&self) -> Result<About, Failure> {
        self.get(&Question { what: "ask the control plane about itself", path: &["api", "v1", "about"], query: &[] }).await
    }
}
