//! `disable`: answers instead of the service.

use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, require};

/// Statuses that it may answer with.
pub const STATUSES: [u16; 4] = [503, 429, 404, 410];

/// Turns an endpoint off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Disable {
    /// The status that callers get: 503, 429, 404 or 410.
    #[serde(default = "status_default")]
    #[cfg_attr(feature = "schema", schema(default = 503, example = 503))]
    pub status: u16,
}

fn status_default() -> u16 {
    503
}

impl Disable {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the check of every action has this form")]
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        require(STATUSES.contains(&self.status), || {
            format!("disable: the status must be one of {STATUSES:?}, not {}", self.status)
        })
    }
}
