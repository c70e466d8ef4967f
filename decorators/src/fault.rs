//! `fault`: delays requests or answers them with an error, to test how callers cope.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, require};
use crate::time_span::TimeSpan;

/// The longest delay. A delayed request holds memory in the sidecar.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// Injects a fault. The rule's percentage says into how many requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// How long a request waits before the service gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "200ms"))]
    pub delay: Option<TimeSpan>,
    /// The most that is added to the delay, by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "50ms"))]
    pub jitter: Option<TimeSpan>,
    /// The status to answer with in place of the service, after the delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<u16>,
}

impl Fault {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        require(self.delay.is_some() || self.abort.is_some(), || "fault: `delay` or `abort` is required".to_owned())?;
        require(self.jitter.is_none() || self.delay.is_some(), || "fault: `jitter` needs a `delay`".to_owned())?;
        let longest =
            [self.delay, self.jitter].into_iter().flatten().try_fold(Duration::ZERO, |sum, span| sum.checked_add(span.0));
        let is_bounded = longest.is_some_and(|longest| longest <= DELAY_MAX);
        require(is_bounded, || format!("fault: the delay with its jitter is at most {DELAY_MAX:?}"))?;
        require(self.abort.is_none_or(|status| (400..=599).contains(&status)), || {
            "fault: `abort` is a status from 400 to 599".to_owned()
        })
    }
}
