//! The store of a leader: it reads its own disk, and writes through the log that all replicas apply.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::model::rule_record::{RuleChange, StoredRules};
use crate::replication::publisher::{Publisher, RulesOutcome};
use crate::store::metrics_store::{Append, Handover, MetricsStore, Process, SeriesName, StoreSize, StoreView};
use crate::store::notice_store::{NoticeChange, NoticeStore, StoredNotices};
use crate::store::redb::RedbStore;
use crate::store::replica_log::LogWrite;
use crate::store::rollup::Keep;
use crate::store::session_store::SessionStore;
use crate::store::{Store, StoreError};

/// The store of the leader of one term.
#[derive(Debug)]
pub struct ReplicatedStore {
    local: Arc<RedbStore>,
    publisher: Publisher,
    term: u64,
    runtime: Handle,
}

impl ReplicatedStore {
    /// The store of the leader of this term. Call it within the runtime that the publisher uses.
    pub fn new(local: Arc<RedbStore>, publisher: Publisher, term: u64) -> Self {
        Self { local, publisher, term, runtime: Handle::current() }
    }

    /// The sealed key of the CA that the replicas share, if there is one.
    pub(super) fn ca_key(&self) -> Result<Option<String>, StoreError> {
        self.local.ca_key()
    }

    /// Shares the sealed key of a CA.
    pub(super) fn save_ca_key(&self, sealed: String) -> Result<(), StoreError> {
        self.write(&LogWrite::CaKey(sealed))
    }

    fn write(&self, write: &LogWrite) -> Result<(), StoreError> {
        self.wait(self.publisher.write(self.term, write))
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::task::block_in_place(|| self.runtime.block_on(work))
    }
}

impl Store for ReplicatedStore {
    fn load(&self) -> Result<StoredRules, StoreError> {
        self.local.load()
    }

    fn commit(&self, change: &RuleChange) -> Result<(), StoreError> {
        // A change is the next one if nothing was committed since it was decided, not even an audit entry.
        let position = self.local.rules_position()?;
        let first_entry = change.audit.first().map_or(position.audit_entries + 1, |entry| entry.number);
        if position.revision != change.from || position.audit_entries + 1 != first_entry {
            return Err(StoreError::Stale { expected: change.from, actual: position.revision });
        }
        match self.wait(self.publisher.commit(change, position.sequence))? {
            RulesOutcome::Committed => Ok(()),
            RulesOutcome::Conflict => {
                Err(StoreError::Stale { expected: change.from, actual: self.local.rules_position()?.revision })
            }
        }
    }
}

impl NoticeStore for ReplicatedStore {
    fn load_notices(&self) -> Result<StoredNotices, StoreError> {
        self.local.load_notices()
    }

    fn save_notices(&self, change: &NoticeChange) -> Result<(), StoreError> {
        self.write(&LogWrite::Notices(change.clone()))
    }
}

impl MetricsStore for ReplicatedStore {
    fn marks(&self, processes: &[Process]) -> Result<Vec<u64>, StoreError> {
        self.local.marks(processes)
    }

    fn acknowledged_marks(&self, processes: &[Process]) -> Result<Vec<u64>, StoreError> {
        self.wait(self.publisher.barrier())?;
        self.local.marks(processes)
    }

    fn append(&self, append: &Append) -> Result<(), StoreError> {
        self.write(&LogWrite::Append(append.clone()))
    }

    fn forget(&self, names: &[SeriesName]) -> Result<(), StoreError> {
        self.write(&LogWrite::Forget(names.to_vec()))
    }

    fn view(&self, read_view: &mut dyn FnMut(&dyn StoreView) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.local.view(read_view)
    }

    fn attached(&self) -> Result<Vec<Process>, StoreError> {
        self.local.attached()
    }

    fn exposed(&self) -> Result<Vec<(SeriesName, mesh::golden::GoldenMetrics)>, StoreError> {
        self.local.exposed()
    }

    fn record(&self, handover: &Handover) -> Result<(), StoreError> {
        self.write(&LogWrite::Record(handover.clone()))
    }

    fn size(&self) -> Result<StoreSize, StoreError> {
        self.local.size()
    }

    fn keeps(&self) -> Keep {
        self.local.keeps()
    }
}

impl SessionStore for ReplicatedStore {
    fn load_sessions(&self) -> Result<Option<String>, StoreError> {
        self.local.sessions()
    }

    fn save_sessions(&self, json: String) -> Result<(), StoreError> {
        self.write(&LogWrite::Sessions(json))
    }
}
