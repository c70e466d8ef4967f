//! `circuit-breaker`: keeps requests from a service that fails, until it works again.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, require};
use crate::time_span::TimeSpan;

/// The most failures in a row. Beyond that, an error rate says more.
const FAILURES_MAX: u32 = 10_000;

/// The most requests that a rate may need.
const REQUESTS_MAX: u32 = 1_000_000;

/// The period of a rate. It is counted in ten parts, and none is shorter than a tenth of a second.
const WITHIN: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60 * 60);

/// How long a circuit stays open.
const OPEN_FOR: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60 * 60);

/// The most probes at once. A service that recovers must not be met by all of its load.
const PROBES_MAX: u32 = 100;

/// Answers with 503 once the service fails, and lets a few requests probe it after some time. Each pod has its own circuit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CircuitBreaker {
    /// Failures in a row that open the circuit: 1 to 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// The share of failures that opens it, of a hundred requests: 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_percent: Option<u8>,
    /// Requests of the period that `error_percent` needs: 1 to 1000000. Fewer say too little about the rate.
    #[serde(default = "requests", skip_serializing_if = "is_usual_requests")]
    #[cfg_attr(feature = "schema", schema(default = 20))]
    pub requests: u32,
    /// The period of `error_percent`, 1s to 1h.
    #[serde(default = "within", skip_serializing_if = "is_usual_within")]
    #[cfg_attr(feature = "schema", schema(value_type = String, default = "10s"))]
    pub within: TimeSpan,
    /// How long the circuit stays open before it is probed, 100ms to 1h. It doubles while probes fail.
    #[serde(default = "open_for", skip_serializing_if = "is_usual_open_for")]
    #[cfg_attr(feature = "schema", schema(value_type = String, default = "30s"))]
    pub open_for: TimeSpan,
    /// The longest that it doubles to, at most 1h; 5m, or `open_for` if that is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "5m"))]
    pub open_for_max: Option<TimeSpan>,
    /// Requests that may probe at once, and that must succeed to close the circuit: 1 to 100.
    #[serde(default = "probes", skip_serializing_if = "is_usual_probes")]
    #[cfg_attr(feature = "schema", schema(default = 1))]
    pub probes: u32,
}

fn requests() -> u32 {
    20
}

fn within() -> TimeSpan {
    TimeSpan(Duration::from_secs(10))
}

fn open_for() -> TimeSpan {
    TimeSpan(Duration::from_secs(30))
}

fn probes() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_requests(value: &u32) -> bool {
    *value == requests()
}

fn is_usual_within(value: &TimeSpan) -> bool {
    *value == within()
}

fn is_usual_open_for(value: &TimeSpan) -> bool {
    *value == open_for()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_probes(value: &u32) -> bool {
    *value == probes()
}

impl CircuitBreaker {
    /// The longest time that the circuit stays open before it is probed.
    pub fn longest_open(&self) -> Duration {
        const USUAL: Duration = Duration::from_secs(5 * 60);
        self.open_for_max.map_or(USUAL.max(self.open_for.0), |most| most.0)
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let says = |why: String| move || format!("circuit-breaker: {why}");
        let is_given = self.failures.is_some() || self.error_percent.is_some();
        require(is_given, says("`failures` or `error_percent` is required".to_owned()))?;
        let is_count = |most: u32| move |count: u32| (1..=most).contains(&count);
        require(self.failures.is_none_or(is_count(FAILURES_MAX)), says(format!("`failures` is 1 to {FAILURES_MAX}")))?;
        let is_percent = self.error_percent.is_none_or(|percent| (1..=100).contains(&percent));
        require(is_percent, says("`error_percent` is 1 to 100".to_owned()))?;
        require(is_count(REQUESTS_MAX)(self.requests), says(format!("`requests` is 1 to {REQUESTS_MAX}")))?;
        require(WITHIN.contains(&self.within.0), says("`within` is 1s to 1h".to_owned()))?;
        require(OPEN_FOR.contains(&self.open_for.0), says("`open_for` is 100ms to 1h".to_owned()))?;
        let is_longer = self.longest_open() >= self.open_for.0 && self.longest_open() <= *OPEN_FOR.end();
        require(is_longer, says("`open_for_max` is at least `open_for`, and at most 1h".to_owned()))?;
        require(is_count(PROBES_MAX)(self.probes), says(format!("`probes` is 1 to {PROBES_MAX}")))
    }
}
