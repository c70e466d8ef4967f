//! `rate-limit`: answers requests over a rate with 429.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::field_edits::check_field;
use crate::invalid::{Invalid, require};
use crate::time_span::TimeSpan;

/// The most requests in a period: no sidecar counts more.
const REQUESTS_MAX: u32 = 10_000_000;

/// The longest period. A limit is kept in memory, and a restart forgets it.
const PERIOD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest period: a shorter one would be an endpoint that is off.
const PERIOD_MIN: Duration = Duration::from_millis(100);

/// Limits the rate of requests by a token bucket. Each pod has buckets of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Requests that are let through in a period.
    pub requests: u32,
    /// The period, 100ms to 24h.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "1s"))]
    pub per: TimeSpan,
    /// Requests that may come at once after a pause; as many as in a period if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Whose requests share a bucket.
    #[serde(default, skip_serializing_if = "BucketKey::is_endpoint")]
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "caller"))]
    pub by: BucketKey,
}

/// Whose requests share a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum BucketKey {
    /// `endpoint`: all that the decorator covers.
    #[default]
    Endpoint,
    /// `caller`: those of one address.
    Caller,
    /// `header:NAME`: those with one value of this field. Requests without it share a bucket.
    Header(String),
}

impl BucketKey {
    fn is_endpoint(&self) -> bool {
        *self == Self::Endpoint
    }
}

impl TryFrom<String> for BucketKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "endpoint" => Ok(Self::Endpoint),
            "caller" => Ok(Self::Caller),
            other => match other.strip_prefix("header:") {
                Some(name) if check_field(name, "").is_ok() => Ok(Self::Header(name.to_owned())),
                _ => Err(format!("{text:?} is none of endpoint, caller and header:NAME")),
            },
        }
    }
}

impl From<BucketKey> for String {
    fn from(key: BucketKey) -> Self {
        match key {
            BucketKey::Endpoint => "endpoint".to_owned(),
            BucketKey::Caller => "caller".to_owned(),
            BucketKey::Header(name) => format!("header:{name}"),
        }
    }
}

impl RateLimit {
    /// The size of a bucket, in requests.
    pub fn bucket(&self) -> u32 {
        self.burst.unwrap_or(self.requests)
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let is_count = |count: u32| (1..=REQUESTS_MAX).contains(&count);
        require(is_count(self.requests), || {
            format!("rate-limit: `requests` is 1 to {REQUESTS_MAX}; to let none through, use disable")
        })?;
        require(self.burst.is_none_or(is_count), || format!("rate-limit: `burst` is 1 to {REQUESTS_MAX}"))?;
        require((PERIOD_MIN..=PERIOD_MAX).contains(&self.per.0), || "rate-limit: `per` is 100ms to 24h".to_owned())
    }
}
