//! How bad a share of failures is: the limits that decide a colour, for pages and the terminal.

/// The fewest requests in the window for a colour: one failure in three proves little.
pub const REQUESTS_MIN: u64 = 20;

/// The share of 5xx from which an endpoint is amber.
pub const FAILING_AMBER: f64 = 0.01;

/// The share of 5xx from which an endpoint is red.
pub const FAILING_RED: f64 = 0.05;

/// The share of its limit over which memory is amber.
pub const MEMORY_NEAR: f64 = 0.9;

/// A clock difference that users are warned of.
pub const CLOCK_OFFSET_WARNED_MS: u64 = 5_000;

/// How bad something is. A 4xx is never bad by itself: it is the caller's mistake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthLevel {
    /// Healthy, or too few requests to judge.
    #[default]
    Calm,
    /// Worth a look.
    Amber,
    /// Broken.
    Red,
}

impl HealthLevel {
    /// Its name in the style sheet.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "",
            Self::Amber => "warn",
            Self::Red => "bad",
        }
    }
}

/// The level of a failure ratio over so many requests.
pub fn failing(failing_ratio: f64, served: u64) -> HealthLevel {
    match failing_ratio {
        _ if served < REQUESTS_MIN => HealthLevel::Calm,
        share if share >= FAILING_RED => HealthLevel::Red,
        share if share >= FAILING_AMBER => HealthLevel::Amber,
        _ => HealthLevel::Calm,
    }
}

/// Whether memory is near its limit. A limit of 0 is none.
pub fn is_memory_near(bytes: u64, limit_bytes: u64) -> bool {
    limit_bytes > 0 && bytes as f64 > limit_bytes as f64 * MEMORY_NEAR
}

/// `part` divided by `whole`; 0 if `whole` is 0.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
