//! Tracks which sidecars were attached before a restart, and which of them have not reported since.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mesh::report::GIVE_UP_AFTER;

use crate::model::recovery_progress::RecoveryWaiting;
use crate::store::metrics_store::Process;

pub mod attached;

/// The sidecars that have to report before the counts are complete.
#[derive(Debug)]
pub struct Recovery {
    began: Instant,
    of: usize,
    is_complete: AtomicBool,
    /// Epochs by pod uid.
    awaited: Mutex<HashMap<String, u64>>,
}

/// The progress of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryProgress {
    /// Every sidecar that was attached before the restart has reported since, or a newer process of its pod has.
    Complete,
    /// Some have not, and are awaited: totals and rates are too low.
    Waiting(RecoveryWaiting),
    /// Some have not within [`GIVE_UP_AFTER`], and are no longer awaited.
    GaveUp {
        /// How many have not.
        missing: usize,
    },
}

impl Recovery {
    /// Awaits these processes from now on.
    pub fn begin(attached: impl IntoIterator<Item = Process>, now: Instant) -> Self {
        let mut awaited = HashMap::new();
        for Process { pod_uid, epoch } in attached {
            let newest = awaited.entry(pod_uid).or_insert(epoch);
            *newest = epoch.max(*newest);
        }
        Self { began: now, of: awaited.len(), is_complete: AtomicBool::new(awaited.is_empty()), awaited: Mutex::new(awaited) }
    }

    /// Records that a process of this pod has reported all that it counted. If it is not the
    /// awaited process, that one has ended.
    pub fn reported(&self, pod_uid: &str) {
        if self.is_complete.load(Ordering::Acquire) {
            return;
        }
        let mut awaited = self.hold();
        awaited.remove(pod_uid);
        self.is_complete.store(awaited.is_empty(), Ordering::Release);
    }

    /// The progress at this time.
    pub fn progress(&self, now: Instant) -> RecoveryProgress {
        if self.is_complete.load(Ordering::Acquire) {
            return RecoveryProgress::Complete;
        }
        let (missing, elapsed) = (self.hold().len(), now.saturating_duration_since(self.began));
        match missing {
            0 => RecoveryProgress::Complete,
            missing if elapsed >= GIVE_UP_AFTER => RecoveryProgress::GaveUp { missing },
            missing => RecoveryProgress::Waiting(RecoveryWaiting { reported: self.of - missing, of: self.of, elapsed }),
        }
    }

    /// The recovery, if it is under way.
    pub fn waiting(&self, now: Instant) -> Option<RecoveryWaiting> {
        match self.progress(now) {
            RecoveryProgress::Waiting(waiting) => Some(waiting),
            RecoveryProgress::Complete | RecoveryProgress::GaveUp { .. } => None,
        }
    }

    /// The processes that are still awaited.
    fn awaited(&self, now: Instant) -> Vec<Process> {
        if self.waiting(now).is_none() {
            return Vec::new();
        }
        self.hold().iter().map(|(pod_uid, epoch)| Process { pod_uid: pod_uid.clone(), epoch: *epoch }).collect()
    }

    fn hold(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn process(pod: &str, epoch: u64) -> Process {
        Process { pod_uid: pod.into(), epoch }
    }

    #[test]
    fn counts_are_complete_when_every_pod_has_reported() {
        let began = Instant::now();
        let recovery = Recovery::begin([process("a", 1), process("b", 1), process("b", 2)], began);
        let after = began + Duration::from_millis(3200);
        let waiting = |reported| Some(RecoveryWaiting { reported, of: 2, elapsed: Duration::from_millis(3200) });

        assert_eq!(recovery.waiting(after), waiting(0));
        recovery.reported("a");
        recovery.reported("stranger");
        assert_eq!(recovery.waiting(after), waiting(1));
        assert_eq!(recovery.waiting(after).unwrap().to_string(), "1 of 2 pods have reported since the restart 3 s ago");
        recovery.reported("b");
        assert_eq!(recovery.progress(after), RecoveryProgress::Complete);
    }

    #[test]
    fn a_pod_that_never_returns_is_given_up_in_time_and_counted_when_it_returns_late() {
        let began = Instant::now();
        let recovery = Recovery::begin([process("a", 1), process("b", 1)], began);
        recovery.reported("a");
        assert_eq!(recovery.awaited(began).len(), 1);
        assert_eq!(recovery.progress(began + GIVE_UP_AFTER), RecoveryProgress::GaveUp { missing: 1 });
        assert_eq!(recovery.awaited(began + GIVE_UP_AFTER), []);
        recovery.reported("b");
        assert_eq!(recovery.progress(began + GIVE_UP_AFTER), RecoveryProgress::Complete);
    }

    #[test]
    fn a_first_start_and_a_mesh_without_pods_wait_for_nothing() {
        assert_eq!(Recovery::begin([], Instant::now()).progress(Instant::now()), RecoveryProgress::Complete);
    }
}
