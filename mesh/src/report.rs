//! What a sidecar tells of its pod: a snapshot since it started, or what changed since the last report.

use crate::callers::Callers;
use crate::endpoint::Endpoint;
use crate::exchange::Exchange;
use crate::golden::GoldenMetrics;
use crate::refusal::Refusals;

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

impl Report {
    /// Moves every time in it, as from one clock to another that differs by so much.
    pub fn shift(&mut self, by_ms: i64) {
        self.at_ms = self.at_ms.saturating_add_signed(by_ms);
        for endpoint in &mut self.endpoints {
            endpoint.seen = endpoint.seen.map(|seen| seen.shifted(by_ms));
            endpoint.callers.shift(by_ms);
            endpoint.recent.iter_mut().for_each(|exchange| exchange.shift(by_ms));
        }
    }

    /// Moves every time into this stretch that is outside it.
    pub fn within(&mut self, from_ms: u64, to_ms: u64) {
        for endpoint in &mut self.endpoints {
            endpoint.seen = endpoint.seen.map(|seen| seen.within(from_ms, to_ms));
            endpoint.callers.not_after(to_ms);
            endpoint
                .recent
                .iter_mut()
                .for_each(|exchange| exchange.started_ms = exchange.started_ms.clamp(from_ms.min(to_ms), to_ms));
        }
    }
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

    /// The same by a clock that differs by so much.
    #[must_use]
    pub fn shifted(self, by_ms: i64) -> Self {
        Self { first_ms: self.first_ms.saturating_add_signed(by_ms), last_ms: self.last_ms.saturating_add_signed(by_ms) }
    }

    /// Not before the one instant and not after the other.
    #[must_use]
    pub fn within(self, from_ms: u64, to_ms: u64) -> Self {
        let clamped = |ms: u64| ms.min(to_ms).max(from_ms.min(to_ms));
        Self { first_ms: clamped(self.first_ms), last_ms: clamped(self.last_ms) }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { first_ms: self.first_ms.min(other.first_ms), last_ms: self.last_ms.max(other.last_ms) }
    }
}

/// What the pod uses, and may use, by the kernel's accounts of its control group or of its service's processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resources {
    /// Memory in use, bytes; 0 if it is not known.
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
    /// Requests that the sidecar has refused since its start.
    pub refused: Refusals,
}

impl Resources {
    /// Whether memory and processor time are known. Every process uses memory: a sidecar that reports none could not measure.
    pub const fn are_measured(&self) -> bool {
        self.memory_bytes > 0
    }
}
