//! What processes had told and not brought to disk when their pods were forgotten: should one come back, it is not counted twice.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::fleet::tally::Tally;
use crate::store::chronicle::Process;

/// Bytes of all processes that are remembered together: room for three thousand pods with 20 endpoints that were all cut
/// off for longer than pods are remembered.
const BYTES_MAX: usize = 42 << 20;

/// Tallies of processes that may still run, oldest first.
#[derive(Debug, Default)]
pub(super) struct Forgotten(Mutex<VecDeque<(Process, Tally)>>);

impl Forgotten {
    /// Remembers what a process has told, if not all of it is on disk: only then does it matter.
    /// Who finds no room is the one that was forgotten first.
    pub(super) fn remember(&self, process: Process, tally: Tally) {
        if tally.hits_not_kept() == 0 {
            return;
        }
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.push_back((process, tally));
        let mut bytes: usize = tallies.iter().map(|(_, tally)| tally.bytes()).sum();
        while bytes > BYTES_MAX {
            let Some((_, tally)) = tallies.pop_front() else { return };
            bytes -= tally.bytes();
        }
    }

    /// What this process had told, if it is remembered.
    pub(super) fn recall(&self, process: &Process) -> Option<Tally> {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = tallies.iter().position(|(known, _)| known == process)?;
        let (_, tally) = tallies.remove(at)?;
        tally.return_to_service();
        Some(tally)
    }
}
