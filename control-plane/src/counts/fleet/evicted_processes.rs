//! Keeps counts of replaced or forgotten processes that are not on disk: a process that comes back is not counted twice.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::counts::fleet::process_counts::ProcessCounts;
use crate::store::metrics_store::Process;

/// Counts of processes that may still run.
#[derive(Debug)]
pub(super) struct EvictedProcesses {
    /// Memory limit of all of them together.
    bytes_max: usize,
    kept: Mutex<KeptProcesses>,
}

#[derive(Debug, Default)]
struct KeptProcesses {
    /// Oldest first.
    processes: VecDeque<(Process, ProcessCounts)>,
    /// The memory of all of them.
    bytes: usize,
}

impl EvictedProcesses {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, kept: Mutex::default() }
    }

    /// Keeps the counts of a process, unless all of them are on disk: then they are not needed. If
    /// there is no room, the oldest ones are dropped. Returns whether they are kept.
    pub(super) fn insert(&self, process: Process, counts: ProcessCounts) -> bool {
        if counts.hits_not_durable() == 0 {
            return false;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += counts.bytes();
        kept.processes.push_back((process, counts));
        while kept.bytes > self.bytes_max {
            let Some((_, counts)) = kept.processes.pop_front() else { break };
            kept.bytes -= counts.bytes();
        }
        !kept.processes.is_empty()
    }

    /// Removes and returns the counts of this process, if they are kept.
    pub(super) fn take(&self, process: &Process) -> Option<ProcessCounts> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.processes.iter().position(|(known, _)| known == process)?;
        let (_, counts) = kept.processes.remove(at)?;
        kept.bytes -= counts.bytes();
        counts.revive();
        Some(counts)
    }
}
