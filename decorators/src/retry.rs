//! `retry`: sends a request again that the service did not answer.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, require};
use crate::status_set::{StatusSet, StatusText};
use crate::time_span::TimeSpan;

/// The most retries. Each multiplies the load of a service that fails.
const ATTEMPTS_MAX: u8 = 5;

/// The wait before the first retry. It doubles with each, and the caller waits as long.
const BACKOFF: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(1);

/// Sends an idempotent request again, on another connection, if the service did not answer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// How often a request is sent again, 1 to 5.
    #[serde(default = "attempts", skip_serializing_if = "is_usual_attempts")]
    #[cfg_attr(feature = "schema", schema(default = 2))]
    pub attempts: u8,
    /// After what: `connect`, `reset`, 429, or a status from 500 to 599 such as 503 or 5xx.
    #[serde(default = "on", skip_serializing_if = "is_usual_on")]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<StatusText>, example = json!(["connect", "reset", "502", "503", "504"])))]
    pub on: Vec<RetryOn>,
    /// The wait before the first retry, 0s to 1s, of which half is by chance. It doubles with each retry.
    #[serde(default = "backoff", skip_serializing_if = "is_usual_backoff")]
    #[cfg_attr(feature = "schema", schema(value_type = String, default = "50ms"))]
    pub backoff: TimeSpan,
    /// The most retries, of a hundred requests of the last ten seconds: 1 to 100. Ten retries are always allowed.
    #[serde(default = "budget_percent", skip_serializing_if = "is_usual_budget")]
    #[cfg_attr(feature = "schema", schema(default = 20))]
    pub budget_percent: u8,
}

/// After what a request is sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StatusText", into = "String")]
pub enum RetryOn {
    /// There is no connection to the service.
    Connect,
    /// The service closed the connection, or reset the stream, before its response.
    Reset,
    /// A response with such a status.
    Status(StatusSet),
}

impl TryFrom<StatusText> for RetryOn {
    type Error = String;

    fn try_from(text: StatusText) -> Result<Self, String> {
        match text {
            StatusText::Text(word) if word == "connect" => Ok(Self::Connect),
            StatusText::Text(word) if word == "reset" => Ok(Self::Reset),
            text => StatusSet::try_from(text).map(Self::Status).map_err(|why| format!("{why}, and neither connect nor reset")),
        }
    }
}

impl From<RetryOn> for String {
    fn from(on: RetryOn) -> Self {
        match on {
            RetryOn::Connect => "connect".to_owned(),
            RetryOn::Reset => "reset".to_owned(),
            RetryOn::Status(set) => set.into(),
        }
    }
}

fn attempts() -> u8 {
    2
}

fn on() -> Vec<RetryOn> {
    let statuses = [502, 503, 504].map(|status| RetryOn::Status(StatusSet::one(status)));
    [RetryOn::Connect, RetryOn::Reset].into_iter().chain(statuses).collect()
}

fn backoff() -> TimeSpan {
    TimeSpan(Duration::from_millis(50))
}

fn budget_percent() -> u8 {
    20
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_attempts(value: &u8) -> bool {
    *value == attempts()
}

fn is_usual_on(value: &[RetryOn]) -> bool {
    value == on()
}

fn is_usual_backoff(value: &TimeSpan) -> bool {
    *value == backoff()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_budget(value: &u8) -> bool {
    *value == budget_percent()
}

impl Retry {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        require((1..=ATTEMPTS_MAX).contains(&self.attempts), || format!("retry: `attempts` is 1 to {ATTEMPTS_MAX}"))?;
        require(!self.on.is_empty(), || "retry: `on` is empty, so nothing would be sent again".to_owned())?;
        // Other statuses are answers: the same request would get the same one.
        let is_answer = |set: &StatusSet| (200..500).any(|status| status != 429 && set.contains(status));
        let is_failure = |on: &RetryOn| !matches!(on, RetryOn::Status(set) if is_answer(set));
        require(self.on.iter().all(is_failure), || {
            "retry: `on` has connect, reset, 429 and statuses from 500 to 599".to_owned()
        })?;
        require(BACKOFF.contains(&self.backoff.0), || "retry: `backoff` is 0s to 1s".to_owned())?;
        require((1..=100).contains(&self.budget_percent), || "retry: `budget_percent` is 1 to 100".to_owned())
    }
}
