//! Divides the memory budget of this process among everything that sidecars can make grow.

use std::fmt;

use platform::cgroup::Source;

use crate::counts::timeline::quota::QuotaLimits;
use crate::model::limits::PODS_MAX;

/// The budget if neither a setting nor the container limits it.
const UNLIMITED_BYTES: u64 = 8 << 30;

/// The part of the container's limit that is the budget, in quarters. The rest is for requests,
/// pages and the program itself.
const QUARTERS_OF_LIMIT: u64 = 3;

/// Limits of pods in the smallest and in the largest budget.
const PODS: (usize, usize) = (64, PODS_MAX);

/// Bytes of a pod, without its counts.
const POD_BYTES: usize = 16 << 10;

/// Limits of series of all services in the smallest and in the largest budget.
const SERIES: (usize, usize) = (1024, 65_536);

/// Bytes of a series, without its slots.
const SERIES_BYTES: usize = 2 << 10;

/// Bytes of the callers of one endpoint of one pod, if its caller table is full.
const CALLED_BYTES: usize = 4 << 10;

/// Limit of one process's counts in a large budget.
const PROCESS_BYTES_MAX: usize = 4 << 20;

/// What a process may take even when others take much: one with 20 endpoints takes 44 kB.
const PROCESS_BYTES_LITTLE: usize = 128 << 10;

/// Limits of streams of one address in the smallest and in the largest budget. Sidecars share an address behind a proxy
/// and on a node's own network, which has 110 pods or a few more.
const STREAMS_OF_ADDRESS: (usize, usize) = (8, 1024);

/// Bytes of a stream whose sidecar has sent a part of the largest message: its stream keeps the buffer.
const STREAM_BYTES: usize = 1 << 20;

/// The memory budget for what sidecars report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    bytes: usize,
}

impl Budget {
    /// The bytes of the setting; without it, three quarters of the container's limit, if there is
    /// one.
    pub fn new(setting: Option<u64>) -> Self {
        let limit = || Some(Source::found().memory().limit).filter(|limit| *limit > 0);
        let bytes = setting.or_else(|| limit().map(|limit| limit / 4 * QUARTERS_OF_LIMIT)).unwrap_or(UNLIMITED_BYTES);
        // The largest fleet that is accepted does not need more.
        Self { bytes: usize::try_from(bytes.min(UNLIMITED_BYTES)).unwrap_or(usize::MAX) }
    }

    /// Quota for the slots of the last hour: a quarter, and a quarter of that for one service.
    pub fn slots(self) -> QuotaLimits {
        let of_all = self.bytes / 4;
        QuotaLimits { per_share: of_all / 4, in_total: of_all, small: of_all / 32 }
    }

    /// Quota for the counts of processes: a quarter.
    pub fn counts(self) -> QuotaLimits {
        let of_all = self.bytes / 4;
        let (of_one, little) = ((of_all / 16).min(PROCESS_BYTES_MAX), (of_all / 1024).min(PROCESS_BYTES_LITTLE));
        QuotaLimits { per_share: of_one, in_total: of_all, small: little }
    }

    /// Bytes for counts of forgotten processes that are not on disk: one 192nd part.
    pub fn evicted_bytes(self) -> usize {
        self.bytes / 192
    }

    /// Limit of pod endpoints with caller statistics, from an eighth of the bytes.
    pub fn caller_tables(self) -> usize {
        self.bytes / 8 / CALLED_BYTES
    }

    /// Limit of series, from an eighth of the bytes.
    pub fn series(self) -> usize {
        (self.bytes / 8 / SERIES_BYTES).clamp(SERIES.0, SERIES.1)
    }

    /// Limit of series for one address: a quarter of all. A proxy in front is one address for all
    /// sidecars behind it.
    pub fn series_of_address(self) -> usize {
        self.series() / 4
    }

    /// Limit of streams for one address: their unfinished messages take at most a quarter of the bytes. This quarter is
    /// not set aside, because only a hostile sidecar takes it; the rest of the container's limit has room for it.
    pub fn streams_of_address(self) -> usize {
        (self.bytes / 4 / STREAM_BYTES).clamp(STREAMS_OF_ADDRESS.0, STREAMS_OF_ADDRESS.1)
    }

    /// Limit of pods, from an eighth of the bytes.
    pub fn pods(self) -> usize {
        (self.bytes / 8 / POD_BYTES).clamp(PODS.0, PODS.1)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Some(UNLIMITED_BYTES))
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes >> 20;
        write!(
            f,
            "{} MiB: slots {} MiB, counts of processes {} MiB, {} pods, {} series, callers of {} endpoints",
            mib(self.bytes),
            mib(self.slots().in_total),
            mib(self.counts().in_total),
            self.pods(),
            self.series(),
            self.caller_tables()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that all parts may take together.
    fn sum(budget: Budget) -> usize {
        let rooms = budget.slots().max() + budget.counts().max() + budget.evicted_bytes();
        rooms + budget.caller_tables() * CALLED_BYTES + budget.series() * SERIES_BYTES + budget.pods() * POD_BYTES
    }

    #[test]
    fn all_parts_together_fit_into_the_budget_of_any_container() {
        for mib in [32, 64, 192, 1024, 8192] {
            let bytes = mib << 20;
            assert!(sum(Budget::new(Some(bytes))) as u64 <= bytes, "{mib} MiB: {}", sum(Budget::new(Some(bytes))));
        }
    }

    #[test]
    fn unfinished_messages_of_one_address_fit_beside_everything_else() {
        for mib in [32, 192, 1024] {
            let of_container: u64 = (mib << 20) / QUARTERS_OF_LIMIT * 4;
            let streams = Budget::new(Some(mib << 20)).streams_of_address() as u64;
            assert!(streams * STREAM_BYTES as u64 <= of_container / 4, "{streams} streams in {mib} MiB");
        }
    }

    #[test]
    fn what_was_enough_for_the_largest_fleet_still_is() {
        let large = Budget::default();
        assert_eq!((large.pods(), large.series(), large.caller_tables()), (20_000, 65_536, 262_144));
        assert_eq!(large.streams_of_address(), 1024);
        assert_eq!((large.slots().in_total, large.slots().per_share, large.counts().per_share), (2 << 30, 512 << 20, 4 << 20));
    }
}
