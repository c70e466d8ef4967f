//! `timeout`: limits how long the service may take for the requests of an endpoint.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, require};
use crate::time_span::TimeSpan;

/// How short and how long a timeout may be. A shorter one would be an endpoint that is off: deadlines are checked four times a
/// second. Beyond a day, only the kernel notices a peer that has gone.
const LIMITS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(24 * 60 * 60);

/// Limits how long the service may take. A limit that is given replaces the sidecar's setting, shorter or longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    /// How long the service may take to begin its response, 10ms to 24h, from the request's head on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "2s"))]
    pub response: Option<TimeSpan>,
    /// How long the whole exchange may take, 10ms to 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "10s"))]
    pub exchange: Option<TimeSpan>,
}

impl Timeout {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let given = [("response", self.response), ("exchange", self.exchange)];
        require(given.iter().any(|(_, span)| span.is_some()), || {
            "timeout: `response` or `exchange` is required, such as 2s".to_owned()
        })?;
        for (name, span) in given {
            require(span.is_none_or(|span| LIMITS.contains(&span.0)), || format!("timeout: `{name}` is 10ms to 24h"))?;
        }
        let is_useful = self.response.zip(self.exchange).is_none_or(|(response, exchange)| response <= exchange);
        require(is_useful, || "timeout: `response` is at most `exchange`, which covers it".to_owned())
    }
}
