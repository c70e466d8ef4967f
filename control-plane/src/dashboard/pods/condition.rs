//! The condition of a pod: silent, behind in rules or version, or near its memory limit.

use std::cmp::Ordering;

use crate::model::pod::PodState;
use crate::query::snapshot::{PodRow, Snapshot};
use format::health::{CLOCK_OFFSET_WARNED_MS, is_memory_near};
use mesh::report::Resources;

/// The share of its limit from which a pod's CPU is amber.
pub const CPU_NEAR: f64 = 0.9;

/// A filter of the pods page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// No report for five seconds.
    Silent,
    /// Has not confirmed the newest rules of its service, or runs an older sidecar than others.
    Behind,
    /// Near its memory limit.
    Full,
}

impl Condition {
    /// All conditions.
    pub const EACH: [Self; 3] = [Self::Silent, Self::Behind, Self::Full];

    /// Its name in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Behind => "behind",
            Self::Full => "full",
        }
    }
}

/// The values of the fleet that a pod is compared with.
#[derive(Debug)]
pub struct FleetNorms {
    /// The newest revision of the rules.
    pub revision: u64,
    /// The newest sidecar version in the fleet.
    pub newest: String,
    /// When the snapshot was taken, milliseconds since the Unix epoch.
    pub now_ms: u64,
}

impl FleetNorms {
    /// The values of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let versions = snapshot.pods.iter().filter(|pod| pod.state != PodState::Gone).map(|pod| &pod.workload.version);
        let newest = versions.max_by(|a, b| by_version(a, b)).cloned().unwrap_or_default();
        Self { revision: snapshot.revision, newest, now_ms: snapshot.taken_ms }
    }

    /// Whether a pod is in this condition.
    pub fn is(&self, pod: &PodRow, condition: Condition) -> bool {
        match condition {
            Condition::Silent => pod.state == PodState::Silent,
            Condition::Behind => is_behind(pod) || self.is_outdated(pod),
            Condition::Full => is_near_memory_limit(pod),
        }
    }

    /// Whether its sidecar is older than the newest version.
    pub fn is_outdated(&self, pod: &PodRow) -> bool {
        pod.state != PodState::Gone && by_version(&pod.workload.version, &self.newest) == Ordering::Less
    }
}

/// Whether it has not confirmed the newest rules of its service. Rules of other services do not affect it; it receives
/// them at its next report.
pub fn is_behind(pod: &PodRow) -> bool {
    pod.state != PodState::Gone && pod.confirmed.map_or(0, |(revision, _)| revision) < pod.revision_wanted
}

/// Whether its clock differs from the control plane's by enough for a warning.
pub fn is_clock_wrong(pod: &PodRow) -> bool {
    pod.skew.is_some_and(|skew| skew.offset_ms().unsigned_abs() > CLOCK_OFFSET_WARNED_MS)
}

/// Whether its resource usage is known.
pub fn is_measured(pod: &PodRow) -> bool {
    pod.resources.is_some_and(|used| used.are_measured())
}

/// Whether it is near its memory limit.
pub fn is_near_memory_limit(pod: &PodRow) -> bool {
    let is_near = |used: Resources| is_memory_near(used.memory_bytes, used.memory_limit_bytes);
    pod.state != PodState::Gone && pod.resources.is_some_and(is_near)
}

/// The share of its CPU limit that it uses; `None` without a limit.
pub fn cpu_share(pod: &PodRow) -> Option<f64> {
    let used = pod.resources.filter(|used| used.cpu_limit_milli > 0)?;
    Some(f64::from(used.cpu_milli) / f64::from(used.cpu_limit_milli))
}

/// Compares versions number by number: 0.10 is newer than 0.9.
pub fn by_version(a: &str, b: &str) -> Ordering {
    let parts = |version: &str| -> Vec<u64> { version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect() };
    parts(a).cmp(&parts(b)).then_with(|| b.contains('-').cmp(&a.contains('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(by_version("0.10.0", "0.9.9"), Ordering::Greater);
        assert_eq!(by_version("0.4.1", "0.4.2"), Ordering::Less);
        assert_eq!(by_version("0.4.2", "0.4.2"), Ordering::Equal);
        assert_eq!(by_version("0.5.0-rc1", "0.5.0"), Ordering::Less);
        assert_eq!(by_version("", "0.1.0"), Ordering::Less);
    }
}
