//! What a sidecar tells of its pod: a snapshot since it started, or what changed since the last report.

use crate::callers::Callers;
use crate::endpoint::Endpoint;
use crate::exchange::Exchange;
use crate::golden::GoldenMetrics;

/// What one report covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Everything since the sidecar started. Sending one twice, or losing one, changes no total.
    Snapshot,
    /// What happened since the report before it on the same stream.
    Change,
}

/// One report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Counts up by one within a stream.
    pub seq: u64,
    /// Whether the numbers are totals or changes.
    pub coverage: Coverage,
    /// When it was made, milliseconds since the Unix epoch by the sidecar's clock.
    pub at_ms: u64,
    /// The endpoints that have something to tell.
    pub endpoints: Vec<EndpointReport>,
    /// The pod's memory and processor, if they were measured for this report.
    pub resources: Option<Resources>,
}

/// One endpoint's part of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointReport {
    /// Which one.
    pub endpoint: Endpoint,
    /// Whether its path names a file.
    pub is_file: bool,
    /// Exchanges under way at this instant.
    pub in_flight: u32,
    /// When it was asked; told in snapshots, and with the first change of an endpoint.
    pub seen: Option<Seen>,
    /// What was counted.
    pub golden: GoldenMetrics,
    /// Whose requests they were: all of them together are the hits.
    pub callers: Callers,
    /// A few recent exchanges.
    pub recent: Vec<Exchange>,
}

/// When an endpoint was asked, milliseconds since the Unix epoch by the sidecar's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The arrival of the first request.
    pub first_ms: u64,
    /// The arrival of the newest.
    pub last_ms: u64,
}

impl Seen {
    /// Seen once.
    pub fn at(ms: u64) -> Self {
        Self { first_ms: ms, last_ms: ms }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { first_ms: self.first_ms.min(other.first_ms), last_ms: self.last_ms.max(other.last_ms) }
    }
}

/// What the pod's containers use, and may use, by the kernel's accounting of the control group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resources {
    /// Memory in use, bytes.
    pub memory_bytes: u64,
    /// Memory allowed, bytes; 0 if there is no limit.
    pub memory_limit_bytes: u64,
    /// Processor time used per second, thousandths of a core.
    pub cpu_milli: u32,
    /// Processor time allowed per second, thousandths of a core; 0 if there is no limit.
    pub cpu_limit_milli: u32,
    /// Thousandths of each second in which it had to wait because that was used up.
    pub throttled_milli: u32,
    /// Downstream connections open.
    pub connections: u32,
}
