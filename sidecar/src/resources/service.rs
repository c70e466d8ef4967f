//! Finds the processes of a service by its port, for machines where the pod has no control group of its own.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use platform::cgroup::parse::{kilobytes, process_cpu_us};
use platform::cgroup::{CpuTime, text};

use crate::resources::parse::{listening, parent};

/// The most processes inspected. No machine that runs pods without containers has more.
const PROCESSES_MAX: usize = 16_384;

/// The processes that listen on a local port, and their children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceProcesses {
    proc: PathBuf,
    /// The processes found last. Empty if no program listens there, or if the sidecar lacks the permission to see which.
    pids: Vec<u32>,
}

impl ServiceProcesses {
    /// Finds the service that listens on a port, in the process table at `proc`.
    pub(super) fn behind(proc: &Path, port: u16) -> Self {
        let sockets: HashSet<String> = ["net/tcp", "net/tcp6"]
            .iter()
            .flat_map(|table| listening(&text(&proc.join(table)), port).collect::<Vec<_>>())
            .map(|inode| format!("socket:[{inode}]"))
            .collect();
        let pids = if sockets.is_empty() { Vec::new() } else { tree(proc, &sockets) };
        Self { proc: proc.to_owned(), pids }
    }

    /// Memory in use: the anonymous memory of all processes, plus the shared memory once. 0 if the processes are unknown.
    pub(super) fn memory_bytes(&self) -> u64 {
        let (mut own, mut shared) = (0_u64, 0_u64);
        for pid in &self.pids {
            let status = text(&self.proc.join(pid.to_string()).join("status"));
            let bytes = |name| kilobytes(&status, name);
            own = own.saturating_add(bytes("RssAnon:"));
            shared = shared.max(bytes("RssFile:").saturating_add(bytes("RssShmem:")));
        }
        own.saturating_add(shared)
    }

    /// The CPU time of the running processes.
    pub(super) fn cpu_time(&self) -> CpuTime {
        let used_us = |pid: &u32| process_cpu_us(&text(&self.proc.join(pid.to_string()).join("stat")));
        CpuTime { used_us: self.pids.iter().map(used_us).sum(), throttled_us: 0 }
    }
}

/// Returns the processes that hold one of these sockets, and their children. The sidecar itself is excluded.
fn tree(proc: &Path, sockets: &HashSet<String>) -> Vec<u32> {
    let all = pids(proc);
    let mut tree: Vec<u32> = all.iter().copied().filter(|pid| *pid != std::process::id() && holds(proc, *pid, sockets)).collect();
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in all {
        children.entry(parent(&text(&proc.join(pid.to_string()).join("stat")))).or_default().push(pid);
    }
    let (mut at, mut known) = (0, tree.iter().copied().collect::<HashSet<u32>>());
    while let Some(pid) = tree.get(at).copied() {
        at += 1;
        tree.extend(children.get(&pid).into_iter().flatten().filter(|child| known.insert(**child)));
    }
    tree
}

/// Whether a process holds one of these sockets.
fn holds(proc: &Path, pid: u32, sockets: &HashSet<String>) -> bool {
    let descriptors = fs::read_dir(proc.join(pid.to_string()).join("fd")).into_iter().flatten().flatten();
    let mut links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    links.any(|link| link.to_str().is_some_and(|link| sockets.contains(link)))
}

/// The process ids in a process table.
fn pids(proc: &Path) -> Vec<u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).take(PROCESSES_MAX).collect()
}
