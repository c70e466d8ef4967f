//! Records which processes are attached, so that the next control plane knows which ones to wait for.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::counts::fleet::Fleet;
use crate::recovery::Recovery;
use crate::store::StoreError;
use crate::store::metrics_store::{Handover, MetricsStore, Process};

/// The attached processes, as the store has them.
#[derive(Debug)]
pub struct AttachedLog(Mutex<Recorded>);

#[derive(Debug)]
struct Recorded {
    processes: HashSet<Process>,
    /// Those of a write that has failed: it may have changed them all the same, when it arrives late.
    uncertain: HashSet<Process>,
    /// The digest of the fleet then; `None` while processes from before the restart are recorded,
    /// too.
    fleet: Option<(usize, u64)>,
}

impl Recorded {
    /// What the store needs so that it has these processes, whatever became of a write that has failed.
    fn handover(&self, processes: &HashSet<Process>) -> Handover {
        let is_new = |process: &&Process| !self.processes.contains(*process) || self.uncertain.contains(*process);
        let gone = self.processes.union(&self.uncertain).filter(|process| !processes.contains(*process));
        let attached = processes.iter().filter(is_new).cloned().collect();
        Handover { attached, detached: gone.cloned().collect(), ..Handover::default() }
    }
}

impl AttachedLog {
    /// Begins with what the store has recorded.
    pub fn begin(processes: impl IntoIterator<Item = Process>) -> Self {
        Self(Mutex::new(Recorded { processes: processes.into_iter().collect(), uncertain: HashSet::new(), fleet: None }))
    }

    /// Records which processes have attached and ended since the last call. It writes to disk, so
    /// it may block.
    ///
    /// Awaited processes stay recorded: a second crash during a recovery must not forget them.
    pub fn record(
        &self,
        (fleet, recovery): (&Fleet, &Recovery),
        metrics_store: &dyn MetricsStore,
        (now_ms, now): (u64, Instant),
    ) -> Result<(), StoreError> {
        let mut recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (waiting, looks) = (recovery.waiting(now), fleet.attached_digest(now_ms));
        if waiting.is_none() && recorded.fleet == Some(looks) {
            return Ok(());
        }
        let mut processes: HashSet<Process> = fleet.attached(now_ms).into_iter().collect();
        processes.extend(recovery.awaited(now));
        let handover = recorded.handover(&processes);
        if (!handover.attached.is_empty() || !handover.detached.is_empty())
            && let Err(error) = metrics_store.record(&handover)
        {
            recorded.uncertain.extend(handover.attached.into_iter().chain(handover.detached));
            return Err(error);
        }
        *recorded = Recorded { processes, uncertain: HashSet::new(), fleet: waiting.is_none().then_some(looks) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mesh::report::GIVE_UP_AFTER;
    use mesh::workload::Workload;
    use proto::convert::greeting::Greeting;

    use super::*;
    use crate::store::redb::RedbStore;

    const NOW_MS: u64 = 1_763_647_200_000;

    fn greeting(pod: &str) -> Greeting {
        let workload = Workload {
            namespace: "n".into(),
            service: "s".into(),
            pod: pod.into(),
            pod_uid: pod.into(),
            node: String::new(),
            addresses: Vec::new(),
            version: "1".into(),
        };
        Greeting { workload, epoch: 7, session: 1, protected: Vec::new(), uptime: None, known: None }
    }

    #[test]
    fn a_second_crash_during_a_recovery_forgets_no_pod() {
        let folder = tempfile::tempdir().unwrap();
        let store = RedbStore::open(folder.path()).unwrap();
        let fleet = Fleet::new(Duration::from_secs(60));
        let began = Instant::now();
        let recorded = || {
            let mut pods: Vec<String> = store.attached().unwrap().into_iter().map(|process| process.pod_uid).collect();
            pods.sort();
            pods
        };

        let first = (AttachedLog::begin([]), Recovery::begin([], began));
        let (a, b) = (fleet.attach(greeting("a"), NOW_MS).unwrap(), fleet.attach(greeting("b"), NOW_MS).unwrap());
        first.0.record((&fleet, &first.1), &store, (NOW_MS, began)).unwrap();
        assert_eq!(recorded(), ["a", "b"]);
        drop(b);
        drop(a);

        // Only one of them has reported to the next control plane when it records.
        let fleet = Fleet::new(Duration::from_secs(60));
        let second = (AttachedLog::begin(store.attached().unwrap()), Recovery::begin(store.attached().unwrap(), began));
        let _a = fleet.attach(greeting("a"), NOW_MS).unwrap();
        second.1.reported("a");
        second.0.record((&fleet, &second.1), &store, (NOW_MS, began)).unwrap();
        assert_eq!(recorded(), ["a", "b"]);

        second.0.record((&fleet, &second.1), &store, (NOW_MS, began + GIVE_UP_AFTER)).unwrap();
        assert_eq!(recorded(), ["a"]);
    }

    #[test]
    fn what_a_failed_write_may_have_changed_is_written_again_either_way() {
        let process = |pod: &str| Process { pod_uid: pod.into(), epoch: 7 };
        let (steady, changed) = (process("steady"), process("changed"));
        let after_a_failure = |known: &[&Process]| Recorded {
            processes: known.iter().copied().cloned().collect(),
            uncertain: [changed.clone()].into(),
            fleet: None,
        };
        let only_steady = after_a_failure(&[&steady]).handover(&[steady.clone()].into());
        assert_eq!((only_steady.attached, only_steady.detached), (vec![], vec![changed.clone()]));
        let both = after_a_failure(&[&steady, &changed]).handover(&[steady.clone(), changed.clone()].into());
        assert_eq!((both.attached, both.detached), (vec![changed.clone()], vec![]));
    }

    #[test]
    fn a_pod_that_has_said_goodbye_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = RedbStore::open(folder.path()).unwrap();
        let fleet = Fleet::new(Duration::from_secs(60));
        let (attached, recovery, now) = (AttachedLog::begin([]), Recovery::begin([], Instant::now()), Instant::now());
        let stream = fleet.attach(greeting("a"), NOW_MS).unwrap();
        attached.record((&fleet, &recovery), &store, (NOW_MS, now)).unwrap();
        stream.record_bye(NOW_MS);
        drop(stream);
        attached.record((&fleet, &recovery), &store, (NOW_MS, now)).unwrap();
        assert_eq!(store.attached().unwrap(), []);
    }
}
