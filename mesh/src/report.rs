//! The live report of a sidecar: a snapshot since its start, or the changes since the last report.

use std::time::Duration;

use crate::callers::Callers;
use crate::endpoint::Endpoint;
use crate::exchange::Exchange;
use crate::golden::GoldenMetrics;
use crate::refusal::Refusals;
use crate::rule_totals::RuleTotals;

/// A sidecar that has not reported for this long after a restart of the control plane counts as gone. A sidecar waits
/// ten seconds at most before it dials again, and a dial fails after eight seconds at most. So one dial may fail and
/// the next one is still in time.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// What the numbers of a report cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Everything since the sidecar started. Sending one twice, or losing one, changes no total.
    Snapshot,
    /// What happened since the previous report on the same stream.
    Change,
}

/// One report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Counts up by one within a stream.
    pub seq: u64,
    /// Whether the numbers are totals or changes.
    pub coverage: Coverage,
    /// When the report was made, milliseconds since the Unix epoch by the sidecar's clock.
    pub at_ms: u64,
    /// The endpoints with anything to report.
    pub endpoints: Vec<EndpointReport>,
    /// Memory and CPU of the pod, if they were measured for this report.
    pub resources: Option<Resources>,
    /// What the rules in force have done since the pod applied them, whatever the coverage; rules that have done nothing are
    /// left out.
    pub rules: Vec<RuleTotals>,
}

impl Report {
    /// Shifts every time by a clock offset.
    pub fn shift(&mut self, by_ms: i64) {
        self.at_ms = self.at_ms.saturating_add_signed(by_ms);
        for endpoint in &mut self.endpoints {
            endpoint.seen = endpoint.seen.map(|seen| seen.shifted(by_ms));
            endpoint.callers.shift(by_ms);
            endpoint.recent.iter_mut().for_each(|exchange| exchange.shift(by_ms));
        }
    }

    /// Clamps every time to this range.
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
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Whether the path names a file.
    pub is_file: bool,
    /// Exchanges under way now.
    pub in_flight: u32,
    /// Times of the first and the last request; set in snapshots, and in the first change of an endpoint.
    pub seen: Option<Seen>,
    /// What was counted.
    pub golden: GoldenMetrics,
    /// The callers; the sum over all of them equals the hits.
    pub callers: Callers,
    /// A few recent exchanges.
    pub recent: Vec<Exchange>,
}

/// When requests for an endpoint arrived, milliseconds since the Unix epoch by the sidecar's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The arrival of the first request.
    pub first_ms: u64,
    /// The arrival of the newest request.
    pub last_ms: u64,
}

impl Seen {
    /// One request at this time.
    pub fn at(ms: u64) -> Self {
        Self { first_ms: ms, last_ms: ms }
    }

    /// Shifts both times by a clock offset.
    #[must_use]
    pub fn shifted(self, by_ms: i64) -> Self {
        Self { first_ms: self.first_ms.saturating_add_signed(by_ms), last_ms: self.last_ms.saturating_add_signed(by_ms) }
    }

    /// Clamps both times to this range.
    #[must_use]
    pub fn within(self, from_ms: u64, to_ms: u64) -> Self {
        let clamped = |ms: u64| ms.min(to_ms).max(from_ms.min(to_ms));
        Self { first_ms: clamped(self.first_ms), last_ms: clamped(self.last_ms) }
    }

    /// Returns the union of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { first_ms: self.first_ms.min(other.first_ms), last_ms: self.last_ms.max(other.last_ms) }
    }
}

/// Resource use and limits of the pod, from the kernel's accounting of its control group or of its
/// service's processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resources {
    /// Memory in use, bytes; 0 if it is not known.
    pub memory_bytes: u64,
    /// Memory allowed, bytes; 0 if there is no limit.
    pub memory_limit_bytes: u64,
    /// CPU time used per second, thousandths of a core.
    pub cpu_milli: u32,
    /// CPU time allowed per second, thousandths of a core; 0 if there is no limit.
    pub cpu_limit_milli: u32,
    /// Thousandths of each second in which the pod was throttled because its CPU quota was used up.
    pub throttled_milli: u32,
    /// Open downstream connections.
    pub connections: u32,
    /// Requests that the sidecar has refused since its start.
    pub refused: Refusals,
    /// What the kernel shows of the service beside its traffic.
    pub service: ServiceSigns,
}

/// What the kernel shows of the service beside the sidecar, without a request: its listening sockets and its kills.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceSigns {
    /// Whether a program listens on the service's port.
    pub listener: ListenerState,
    /// How often the service listened again with new sockets since the sidecar's start, which is a restart.
    pub restarts: u32,
    /// Milliseconds since the last restart; without a meaning if there was none.
    pub since_restart_ms: u64,
    /// Processes of the pod's control group that the kernel has killed for lack of memory since the sidecar's start.
    pub oom_kills: u64,
    /// Milliseconds since the last of them; without a meaning if there was none.
    pub since_oom_kill_ms: u64,
}

/// Whether a program listens on the service's port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ListenerState {
    /// Not known: the service is not on this machine, or the kernel does not show its sockets.
    #[default]
    Unknown,
    /// None has listened since the sidecar's start: the service is still starting.
    NotYet,
    /// One listens.
    Listening,
    /// One has listened, and none does now.
    Gone,
}

impl Resources {
    /// Whether memory and CPU time are known. Every process uses memory, so a sidecar that reports
    /// none could not measure.
    pub const fn are_measured(&self) -> bool {
        self.memory_bytes > 0
    }
}
