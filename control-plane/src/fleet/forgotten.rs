//! What processes had reported and not brought to disk when they were replaced or forgotten: if one comes back, it is not counted twice.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::fleet::tally::Tally;
use crate::store::chronicle::Process;

/// Tallies of processes that may still run, oldest first.
#[derive(Debug)]
pub(super) struct Forgotten {
    /// What all of them may take together.
    bytes_max: usize,
    tallies: Mutex<VecDeque<(Process, Tally)>>,
}

impl Forgotten {
    pub(super) fn with(bytes_max: usize) -> Self {
        Self { bytes_max, tallies: Mutex::default() }
    }

    /// Remembers what a process has reported, if not all of it is on disk: only then does it matter. If there is no room,
    /// the one that was forgotten first is dropped. Returns whether it is remembered.
    pub(super) fn remember(&self, process: Process, tally: Tally) -> bool {
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

    /// What this process had told, if it is remembered.
    pub(super) fn recall(&self, process: &Process) -> Option<Tally> {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let at = tallies.iter().position(|(known, _)| known == process)?;
        let (_, tally) = tallies.remove(at)?;
        tally.return_to_service();
        Some(tally)
    }
}
