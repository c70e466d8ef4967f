//! The processes of a service, for machines where no control group is the pod's own: the program that listens on its port, and its children.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use platform::cgroup::parse::{kilobytes, process_cpu_us};
use platform::cgroup::{CpuTime, text};

use crate::resources::parse::{listening, parent};

/// Processes that are looked at: more than any machine has on which pods run without containers.
const PROCESSES_MAX: usize = 16_384;

/// The processes of the service that listens on a port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    proc: PathBuf,
    /// Those found at the last look; none if no program listens there, or the sidecar may not see which one does.
    pids: Vec<u32>,
}

impl Service {
    /// The service behind a port, by the process table in this folder.
    pub(super) fn behind(proc: &Path, port: u16) -> Self {
        let sockets: HashSet<String> = ["net/tcp", "net/tcp6"]
            .iter()
            .flat_map(|table| listening(&text(&proc.join(table)), port).collect::<Vec<_>>())
            .map(|inode| format!("socket:[{inode}]"))
            .collect();
        let pids = if sockets.is_empty() { Vec::new() } else { tree(proc, &sockets) };
        Self { proc: proc.to_owned(), pids }
    }

    /// Memory in use: the anonymous memory of each process, and once what they share. 0 if they are not known.
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

    /// Processor time of the processes that live.
    pub(super) fn cpu_time(&self) -> CpuTime {
        let used_us = |pid: &u32| process_cpu_us(&text(&self.proc.join(pid.to_string()).join("stat")));
        CpuTime { used_us: self.pids.iter().map(used_us).sum(), throttled_us: 0 }
    }
}

/// The processes that hold one of these sockets, and their children. The sidecar itself is not one of them.
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

/// The processes in a process table.
fn pids(proc: &Path) -> Vec<u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).take(PROCESSES_MAX).collect()
}
