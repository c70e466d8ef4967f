//! The health of an endpoint: the limits that decide its colour, and the overview filters that include it.

use format::health::{HealthLevel, REQUESTS_MIN, failing, ratio};

use crate::model::switch::Switch;
use crate::query::snapshot::EndpointRow;

/// An endpoint is amber if its p95 exceeds its usual p95 by this factor.
pub const SLOW_FACTOR: f64 = 2.0;

/// An endpoint without a request for this long is quiet.
pub const QUIET_AFTER_MS: u64 = 60_000;

/// The health of one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Health {
    /// The share of 5xx among the requests that the service answered.
    pub failing_ratio: f64,
    /// The level of `failing_ratio`.
    pub failing: HealthLevel,
    /// The p95 as a multiple of its usual value, if both are known.
    pub slower_by: Option<f64>,
    /// The level of `slower_by`.
    pub slow: HealthLevel,
    /// Whether a command waits for pods to confirm it.
    pub waiting: bool,
    /// Whether it is off on every selected pod.
    pub off: bool,
    /// Whether it had no request for [`QUIET_AFTER_MS`].
    pub quiet: bool,
}

impl Health {
    /// The health of an endpoint in its window.
    pub fn of(row: &EndpointRow, now_ms: u64) -> Self {
        let served = row.now.served();
        let failing_ratio = ratio(row.now.failures(), served);
        let p95_us = row.now.quantile_us(0.95);
        let usual_us = row.usual_p95_us.filter(|usual_us| *usual_us > 0.0);
        let slower_by = p95_us.zip(usual_us).map(|(p95_us, usual_us)| p95_us / usual_us);
        let slow = match slower_by {
            Some(times) if served >= REQUESTS_MIN && times > SLOW_FACTOR => HealthLevel::Amber,
            _ => HealthLevel::Calm,
        };
        Self {
            failing_ratio,
            failing: failing(failing_ratio, served),
            slower_by,
            slow,
            waiting: matches!(row.switch, Switch::TurningOff(_) | Switch::TurningOn { .. }),
            off: matches!(row.switch, Switch::Off(_)),
            quiet: row.last_seen_ms.is_none_or(|seen_ms| now_ms.saturating_sub(seen_ms) >= QUIET_AFTER_MS),
        }
    }

    /// The worse of its two levels.
    pub fn level(&self) -> HealthLevel {
        self.failing.max(self.slow)
    }

    /// How urgent it is: the key of "problems first".
    pub fn urgency(&self) -> u8 {
        match (self.failing, self.slow) {
            (HealthLevel::Red, _) => 4,
            (HealthLevel::Amber, _) => 3,
            (_, HealthLevel::Amber | HealthLevel::Red) => 2,
            _ if self.waiting => 1,
            _ => 0,
        }
    }

    /// The names of the filters that include it, besides All.
    pub fn shows(&self) -> Vec<&'static str> {
        let member = |is: bool, show: HealthFilter| is.then_some(show.name());
        [
            member(self.failing > HealthLevel::Calm, HealthFilter::Failing),
            member(self.slow > HealthLevel::Calm, HealthFilter::Slow),
            member(self.waiting, HealthFilter::Waiting),
            member(self.off, HealthFilter::Off),
            member(self.quiet, HealthFilter::Quiet),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// A filter of the overview.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum HealthFilter {
    /// Everything.
    #[default]
    All,
    /// 5xx at or over the amber limit.
    Failing,
    /// p95 over its limit.
    Slow,
    /// A command waits for pods to confirm it.
    Waiting,
    /// Turned off.
    Off,
    /// No request for a minute.
    Quiet,
}

impl HealthFilter {
    /// All filters, in the order of the toolbar.
    pub const EACH: [Self; 6] = [Self::All, Self::Failing, Self::Slow, Self::Waiting, Self::Off, Self::Quiet];

    /// Its name in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Failing => "failing",
            Self::Slow => "slow",
            Self::Waiting => "waiting",
            Self::Off => "off",
            Self::Quiet => "quiet",
        }
    }

    /// Its name on the page.
    pub fn title(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Failing => "Failing",
            Self::Slow => "Slow",
            Self::Waiting => "Waiting",
            Self::Off => "Off",
            Self::Quiet => "Quiet",
        }
    }
}

#[cfg(test)]
mod tests;
