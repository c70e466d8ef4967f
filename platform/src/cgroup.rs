//! Where the kernel keeps the accounts of this container: control groups v2, v1, or the process table.

use std::fs;
use std::path::{Path, PathBuf};

pub mod parse;

/// Where control groups are mounted, on every distribution there is.
pub const CGROUPS: &str = "/sys/fs/cgroup";

/// One way to read the accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One folder for everything.
    V2(PathBuf),
    /// A folder for each controller.
    V1 {
        /// Of memory.
        memory: PathBuf,
        /// Of quotas.
        cpu: PathBuf,
        /// Of processor time.
        cpuacct: PathBuf,
    },
    /// No control group of our own: this process alone, without limits.
    Process,
}

/// Bytes of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// In use.
    pub used: u64,
    /// What may be used; 0 if there is no limit.
    pub limit: u64,
    /// What the machine has.
    pub machine: u64,
}

/// Processor time so far, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Used.
    pub used_us: u64,
    /// Spent waiting because the quota was used up.
    pub throttled_us: u64,
}

impl Source {
    /// Finds the accounts of this process.
    pub fn found() -> Self {
        Self::found_below(Path::new(CGROUPS), &text(Path::new("/proc/self/cgroup")))
    }

    /// Inside a container its own group is usually mounted as the root; where it is not, the path leads to it.
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

    /// Memory that the kernel could not take back at once: caches of files that nobody reads are left out,
    /// as the kubelet leaves them out when it decides whom to evict.
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
        // A limit above what the machine has is how v1 spells that there is none.
        let limit = if machine > 0 && limit > machine { 0 } else { limit };
        Memory { used: used.saturating_sub(cached), limit, machine }
    }

    /// Processor time so far. Version 1 counts it in nanoseconds; a process alone is never throttled.
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

    /// Thousandths of a core; 0 if there is no limit.
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

/// The memory of the machine, in bytes.
pub fn machine_bytes() -> u64 {
    parse::kilobytes(&text(Path::new("/proc/meminfo")), "MemTotal:")
}

/// The text of a file of the kernel's; empty if it is not there, and then every number in it is 0.
pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests;
