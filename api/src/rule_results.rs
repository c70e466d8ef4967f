//! What a circuit breaker and a split report in `/api/v1/rules`: their state, what was counted, and whether sides differ.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::words;

/// How many pods have their circuit in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Circuits {
    /// Requests pass.
    pub closed: u32,
    /// A few requests pass as probes, the others are refused.
    pub half_open: u32,
    /// Requests are refused.
    pub open: u32,
}

/// Both sides of a split, and whether they differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SplitReport {
    /// The service itself.
    pub own: SplitSide,
    /// The other address.
    pub other: SplitSide,
    /// Whether the error rates differ, by Fisher's exact test.
    pub errors: SplitFinding,
    /// Whether the latencies differ, by the rank test of Mann and Whitney.
    pub latency: SplitFinding,
}

/// The traffic of one side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SplitSide {
    /// Requests.
    pub requests: u64,
    /// Those of them that failed: 5xx, or no response.
    pub failed: u64,
    /// The median latency in milliseconds; null without requests.
    pub p50_ms: Option<f64>,
    /// The 99th percentile of the latency in milliseconds; null without requests.
    pub p99_ms: Option<f64>,
}

/// The result of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SplitFinding {
    /// What can be said.
    pub verdict: SplitVerdict,
    /// How often chance alone makes such a difference between equal sides, or a larger one.
    pub p_value: f64,
    /// The p value below which the sides differ. It falls with the traffic.
    pub level: f64,
    /// The same as a sentence, with the number of requests.
    pub summary: String,
}

words! {
    /// Whether two sides differ.
    pub enum SplitVerdict {
        /// One side has too few requests.
        TooFew,
        /// No difference was found. There may be a small one.
        NotShown,
        /// The service itself has more errors, or is slower.
        OwnHigher,
        /// The other address has more errors, or is slower.
        OtherHigher,
    }
}
