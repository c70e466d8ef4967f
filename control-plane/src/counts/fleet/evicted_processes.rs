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
    tallies: Mutex<VecDeque<(Process, ProcessCounts)>>,
}

impl EvictedProcesses {
    pub(super) fn with(bytes_max: usize) -> Self {
        Self { bytes_max, tallies: Mutex::default() }
    }

    /// Keeps the counts of a process, unless all of them are on disk: then they are not needed. If
    /// there is no room, the oldest ones are dropped. Returns whether they are kept.
    pub(super) fn remember(&self, process: Process, tally: ProcessCounts) -> bool {
        if tally.hits_not_kept() == 0 {
            return false;
        }
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.push_back((process, tally));
        let mut bytes: usize = tallies.iter().map(|(_, tally)| tally.bytes()).sum();
        while bytes > self.bytes_max {
            let Some((_, tally)) = tallies.pop_front() else { break };
            bytes -= tally.bytes();
        }
        !tallies.is_empty()
    }

    /// Removes and returns the counts of this process, if they are kept.
    pub(super) fn recall(&self, process: &Process) -> Option<ProcessCounts> {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let at = tallies.iter().position(|(known, _)| known == process)?;
        let (_, tally) = tallies.remove(at)?;
        tally.return_to_service();
        Some(tally)
    }
}
