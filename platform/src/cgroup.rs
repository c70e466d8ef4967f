//! Memory and CPU usage and limits of this container, from cgroup v2, cgroup v1, or the process table.

use std::fs;
use std::path::{Path, PathBuf};

pub mod parse;

/// Where control groups are mounted on every distribution.
pub const CGROUPS: &str = "/sys/fs/cgroup";

/// A source of usage and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Cgroup v2: one folder for all controllers.
    V2(PathBuf),
    /// Cgroup v1: a folder for each controller.
    V1 {
        /// The folder of the memory controller.
        memory: PathBuf,
        /// The folder of the CPU quota.
        cpu: PathBuf,
        /// The folder of the CPU time.
        cpuacct: PathBuf,
    },
    /// No control group of our own: this process alone, without limits.
    Process,
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Memory in use.
    pub used: u64,
    /// The limit; 0 if there is none.
    pub limit: u64,
    /// The memory of the machine.
    pub machine: u64,
}

/// CPU time so far, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// CPU time used.
    pub used_us: u64,
    /// Time spent waiting because the quota was used up.
    pub throttled_us: u64,
}

impl Source {
    /// Finds the source for this process.
    pub fn found() -> Self {
        Self::found_below(Path::new(CGROUPS), &text(Path::new("/proc/self/cgroup")))
    }

    /// Inside a container, its own group is usually mounted as the root. Otherwise the path of the
    /// group is below the root.
    pub fn found_below(root: &Path, membership: &str) -> Self {
        let folder = |root: PathBuf, controller: &str, file: &str| {
            let path = parse::cgroup_path(membership, controller).unwrap_or_default();
            [root.join(path), root].into_iter().find(|folder| folder.join(file).exists())
        };
        if let Some(unified) = folder(root.to_owned(), "", "memory.current") {
            return Self::V2(unified);
        }
        let memory = folder(root.join("memory"), "memory", "memory.usage_in_bytes");
        let cpu = folder(root.join("cpu"), "cpu", "cpu.cfs_quota_us");
        let cpuacct = folder(root.join("cpuacct"), "cpuacct", "cpuacct.usage");
        match (memory, cpu, cpuacct) {
            (Some(memory), Some(cpu), Some(cpuacct)) => Self::V1 { memory, cpu, cpuacct },
            _ => Self::Process,
        }
    }

    /// Returns the memory that the kernel cannot reclaim at once. Inactive file caches are left
    /// out, as the kubelet does when it decides which pods to evict.
    pub fn memory(&self) -> Memory {
        let machine = machine_bytes();
        let (used, cached, limit) = match self {
            Self::V2(folder) => (
                parse::number(&text(&folder.join("memory.current"))),
                parse::field(&text(&folder.join("memory.stat")), "inactive_file"),
                parse::number(&text(&folder.join("memory.max"))),
            ),
            Self::V1 { memory, .. } => (
                parse::number(&text(&memory.join("memory.usage_in_bytes"))),
                parse::field(&text(&memory.join("memory.stat")), "total_inactive_file"),
                parse::number(&text(&memory.join("memory.limit_in_bytes"))),
            ),
            Self::Process => (parse::kilobytes(&text(Path::new("/proc/self/status")), "VmRSS:"), 0, 0),
        };
        // With v1, a limit above the memory of the machine means no limit.
        let limit = if machine > 0 && limit > machine { 0 } else { limit };
        Memory { used: used.saturating_sub(cached), limit, machine }
    }

    /// Returns the CPU time so far. Version 1 counts in nanoseconds; a process without a group is
    /// never throttled.
    pub fn cpu_time(&self) -> CpuTime {
        let (used_us, throttled_us) = match self {
            Self::V2(folder) => {
                let stat = text(&folder.join("cpu.stat"));
                (parse::field(&stat, "usage_usec"), parse::field(&stat, "throttled_usec"))
            }
            Self::V1 { cpu, cpuacct, .. } => (
                parse::number(&text(&cpuacct.join("cpuacct.usage"))) / 1000,
                parse::field(&text(&cpu.join("cpu.stat")), "throttled_time") / 1000,
            ),
            Self::Process => (parse::process_cpu_us(&text(Path::new("/proc/self/stat"))), 0),
        };
        CpuTime { used_us, throttled_us }
    }

    /// Returns how many processes of the group the kernel has killed for lack of memory; `None` without a group, and on
    /// kernels that do not count them (before 4.13).
    pub fn oom_kills(&self) -> Option<u64> {
        let counts = match self {
            Self::V2(folder) => text(&folder.join("memory.events")),
            Self::V1 { memory, .. } => text(&memory.join("memory.oom_control")),
            Self::Process => return None,
        };
        counts.lines().any(|line| line.starts_with("oom_kill ")).then(|| parse::field(&counts, "oom_kill"))
    }

    /// Returns the CPU limit in thousandths of a core; 0 if there is none.
    pub fn cpu_limit_milli(&self) -> u32 {
        match self {
            Self::V2(folder) => parse::quota_milli(&text(&folder.join("cpu.max"))),
            Self::V1 { cpu, .. } => {
                let quota = text(&cpu.join("cpu.cfs_quota_us"));
                parse::quota_milli(&format!("{} {}", quota.trim(), text(&cpu.join("cpu.cfs_period_us"))))
            }
            Self::Process => 0,
        }
    }
}

/// Returns the memory of the machine, in bytes.
pub fn machine_bytes() -> u64 {
    parse::kilobytes(&text(Path::new("/proc/meminfo")), "MemTotal:")
}

/// Reads a file of the kernel. Returns an empty text if it is missing; every number parsed from it
/// is then 0.
pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests;
