//! Keeps counts of replaced or forgotten processes that are not on disk: a process that comes back is not counted twice.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::counts::fleet::process_counts::ProcessCounts;
use crate::store::metrics_store::Process;

/// Counts of processes that may still run, oldest first.
#[derive(Debug)]
pub(super) struct EvictedProcesses {
    /// Memory limit of all of them together.
    bytes_max: usize,
    processes: Mutex<VecDeque<(Process, ProcessCounts)>>,
}

impl EvictedProcesses {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, processes: Mutex::default() }
    }

    /// Keeps the counts of a process, unless all of them are on disk: then they are not needed. If
    /// there is no room, the oldest ones are dropped. Returns whether they are kept.
    pub(super) fn insert(&self, process: Process, counts: ProcessCounts) -> bool {
        if counts.hits_not_durable() == 0 {
            return false;
        }
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        processes.push_back((process, counts));
        let mut bytes: usize = processes.iter().map(|(_, counts)| counts.bytes()).sum();
        while bytes > self.bytes_max {
            let Some((_, counts)) = processes.pop_front() else { break };
            bytes -= counts.bytes();
        }
        !processes.is_empty()
    }

    /// Removes and returns the counts of this process, if they are kept.
    pub(super) fn take(&self, process: &Process) -> Option<ProcessCounts> {
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        let at = processes.iter().position(|(known, _)| known == process)?;
        let (_, counts) = processes.remove(at)?;
        counts.revive();
        Some(counts)
    }
}
