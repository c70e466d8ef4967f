//! The simulated control plane's store, which can stop just before or just after a commit.

use std::path::Path;
use std::sync::{Arc, Mutex};

use control_plane::model::rule_record::{RuleChange, StoredRules};
use control_plane::store::metrics_store::{Append, Handover, MetricsStore, Process, SeriesName, StoreSize, StoreView};
use control_plane::store::notice_store::{NoticeChange, NoticeStore, StoredNotices};
use control_plane::store::redb::RedbStore;
use control_plane::store::rollup::Keep;
use control_plane::store::{Store, StoreError};
use mesh::golden::GoldenMetrics;

/// The point at which a commit stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopPoint {
    /// Windows were received, and are not on disk.
    BeforeCommit,
    /// The windows are on disk, and no ack was sent.
    BeforeAck,
}

/// The instructions to the store, and what it has done; outlives the store.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommitFaults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The number of commits that pass, and where the next one stops.
    stop: Option<(u32, StopPoint)>,
    has_stopped: bool,
    commits: u32,
}

impl CommitFaults {
    /// Lets this number of commits pass, and stops the next one.
    pub(crate) fn stop_after(&self, commits: u32, at: StopPoint) {
        let mut state = self.0.lock().unwrap();
        (state.stop, state.has_stopped) = (Some((commits, at)), false);
    }

    /// Whether a commit was stopped. After that, all commits pass.
    pub(crate) fn has_stopped(&self) -> bool {
        self.0.lock().unwrap().has_stopped
    }

    /// The number of completed commits of windows, by all control planes.
    pub(crate) fn commits(&self) -> u32 {
        self.0.lock().unwrap().commits
    }

    /// Where the current commit stops, if it does.
    fn next(&self) -> Option<StopPoint> {
        let mut state = self.0.lock().unwrap();
        match state.stop {
            Some((0, at)) => {
                (state.stop, state.has_stopped) = (None, true);
                Some(at)
            }
            Some((more, at)) => {
                state.stop = Some((more - 1, at));
                None
            }
            None => None,
        }
    }
}

/// The real store, controlled by [`CommitFaults`].
#[derive(Debug)]
pub(crate) struct FailingStore {
    store: RedbStore,
    commit_faults: CommitFaults,
}

impl FailingStore {
    pub(crate) fn open(folder: &Path, commit_faults: CommitFaults) -> Result<Self, StoreError> {
        Ok(Self { store: RedbStore::open(folder)?, commit_faults })
    }
}

impl Store for FailingStore {
    fn load(&self) -> Result<StoredRules, StoreError> {
        self.store.load()
    }

    fn commit(&self, change: &RuleChange) -> Result<(), StoreError> {
        self.store.commit(change)
    }
}

impl NoticeStore for FailingStore {
    fn load_notices(&self) -> Result<StoredNotices, StoreError> {
        self.store.load_notices()
    }

    fn save_notices(&self, change: &NoticeChange) -> Result<(), StoreError> {
        self.store.save_notices(change)
    }
}

impl MetricsStore for FailingStore {
    fn marks(&self, processes: &[Process]) -> Result<Vec<u64>, StoreError> {
        self.store.marks(processes)
    }

    /// To the control plane, a stopped commit has failed. It waits before it retries, and is killed by then.
    fn append(&self, append: &Append) -> Result<(), StoreError> {
        let stop = self.commit_faults.next();
        if stop != Some(StopPoint::BeforeCommit) {
            self.store.append(append)?;
            self.commit_faults.0.lock().unwrap().commits += 1;
        }
        let stopped = || StoreError::Write { file: "disk".into(), why: "the simulation stops here".into() };
        stop.map_or(Ok(()), |_| Err(stopped()))
    }

    fn forget(&self, names: &[SeriesName]) -> Result<(), StoreError> {
        self.store.forget(names)
    }

    fn view(&self, look: &mut dyn FnMut(&dyn StoreView) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.store.view(look)
    }

    fn attached(&self) -> Result<Vec<Process>, StoreError> {
        self.store.attached()
    }

    fn exposed(&self) -> Result<Vec<(SeriesName, GoldenMetrics)>, StoreError> {
        self.store.exposed()
    }

    fn record(&self, handover: &Handover) -> Result<(), StoreError> {
        self.store.record(handover)
    }

    fn size(&self) -> Result<StoreSize, StoreError> {
        self.store.size()
    }

    fn keeps(&self) -> Keep {
        self.store.keeps()
    }
}
