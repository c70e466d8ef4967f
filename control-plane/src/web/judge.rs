//! Decides what deserves a colour: the limits, and which of the filters an endpoint belongs to.

use crate::snapshot::{EndpointRow, Switch};

/// Requests in the window under which nothing is coloured: one failure of three says little.
pub const REQUESTS_MIN: u64 = 20;

/// The share of 5xx from which an endpoint is amber.
pub const FAILING_AMBER: f64 = 0.01;

/// The share of 5xx from which it is red.
pub const FAILING_RED: f64 = 0.05;

/// How many times its usual p95 an endpoint may take before it is amber.
pub const SLOW_FACTOR: f64 = 2.0;

/// An endpoint without a request for this long is quiet.
pub const QUIET_AFTER_MS: u64 = 60_000;

/// How bad something is. A 4xx is never bad by itself: it is the caller's mistake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be, or too little to tell.
    #[default]
    Calm,
    /// Worth a look.
    Amber,
    /// Broken.
    Red,
}

impl Level {
    /// The name by which the style sheet knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "",
            Self::Amber => "warn",
            Self::Red => "bad",
        }
    }
}

/// What is to be said of one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Verdict {
    /// 5xx of the requests that the service answered.
    pub failing_ratio: f64,
    /// How bad that is.
    pub failing: Level,
    /// The p95 as a multiple of its usual value, if both are known.
    pub slower_by: Option<f64>,
    /// How bad that is.
    pub slow: Level,
    /// Whether a command is under way.
    pub waiting: bool,
    /// Whether it is off on every pod meant.
    pub off: bool,
    /// Whether nobody has called it for a while.
    pub quiet: bool,
}

impl Verdict {
    /// Judges an endpoint by its window.
    pub fn of(row: &EndpointRow, now_ms: u64) -> Self {
        let served = row.now.served();
        let failing_ratio = ratio(row.now.failures(), served);
        let p95_us = row.now.quantile_us(0.95);
        let usual_us = row.usual_p95_us.filter(|usual_us| *usual_us > 0.0);
        let slower_by = p95_us.zip(usual_us).map(|(p95_us, usual_us)| p95_us / usual_us);
        let slow = match slower_by {
            Some(times) if served >= REQUESTS_MIN && times > SLOW_FACTOR => Level::Amber,
            _ => Level::Calm,
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
    pub fn level(&self) -> Level {
        self.failing.max(self.slow)
    }

    /// How urgent it is: what "problems first" sorts by.
    pub fn urgency(&self) -> u8 {
        match (self.failing, self.slow) {
            (Level::Red, _) => 4,
            (Level::Amber, _) => 3,
            (_, Level::Amber | Level::Red) => 2,
            _ if self.waiting => 1,
            _ => 0,
        }
    }

    /// The names of the filters that show it, besides All.
    pub fn shows(&self) -> Vec<&'static str> {
        let member = |is: bool, show: Show| is.then_some(show.name());
        [
            member(self.failing > Level::Calm, Show::Failing),
            member(self.slow > Level::Calm, Show::Slow),
            member(self.waiting, Show::Waiting),
            member(self.off, Show::Off),
            member(self.quiet, Show::Quiet),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// How bad a share of failures is among so many requests.
pub fn failing(failing_ratio: f64, served: u64) -> Level {
    match failing_ratio {
        _ if served < REQUESTS_MIN => Level::Calm,
        share if share >= FAILING_RED => Level::Red,
        share if share >= FAILING_AMBER => Level::Amber,
        _ => Level::Calm,
    }
}

/// Which share `part` is of `whole`; of nothing, none.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A filter of the overview.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Show {
    /// Everything.
    #[default]
    All,
    /// 5xx at or over the amber limit.
    Failing,
    /// p95 over its limit.
    Slow,
    /// A command is under way.
    Waiting,
    /// Turned off.
    Off,
    /// Not called for a minute.
    Quiet,
}

impl Show {
    /// All of them, as they stand in the toolbar.
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
