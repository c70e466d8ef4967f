//! The embedded store: one file in the data folder with atomic transactions, which survives a crash at any time.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use mesh::golden::GoldenMetrics;
use redb::{ReadableDatabase, ReadableTable, WriteTransaction};

use crate::clock::now_ms;
use crate::model::rule_record::{RuleChange, StoredRules};
use crate::store::metrics_store::{Append, Handover, MetricsStore, Process, SeriesName, StoreSize, StoreView};
use crate::store::notice_store::{NoticeChange, NoticeStore, StoredNotices};
use crate::store::redb::fault::TransactionFault;
use crate::store::redb::file::{DatabaseFile, Opener};
use crate::store::redb::read::StoreReader;
use crate::store::redb::retention::TableSizes;
use crate::store::redb::series_ids::SeriesIds;
use crate::store::redb::tables::{
    ATTACHED, AUDIT, EXPOSED, FORMAT, MARKS, MESSAGES, NAMES, NOTICES, NUMBERS, RULES, SERIES, TOTALS, slots,
};
use crate::store::rollup::{Keep, Resolution};
use crate::store::{Store, StoreError};

mod append;
mod catch_panic;
mod evict;
mod fault;
mod file;
mod handover;
mod ledger;
pub mod log_id;
mod notices;
mod read;
pub mod replica;
mod retention;
pub(in crate::store) mod rule_json;
mod series_ids;
mod stored_total;
mod tables;
mod trusted_clock;

/// The name of the file in the data folder.
pub const FILE: &str = file::FILE;

/// A store in a file. The file is locked while it is open.
#[derive(Debug)]
pub struct RedbStore {
    file: DatabaseFile,
    keep: Keep,
    /// The numbers of series. The lock is held during an append.
    series_ids: Mutex<SeriesIds>,
}

impl RedbStore {
    /// Opens the store in this folder with the default retention; creates both if needed.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_with(folder, Keep::DEFAULT)
    }

    /// Opens the store in this folder; creates both if needed.
    pub fn open_with(folder: &Path, keep: Keep) -> Result<Self, StoreError> {
        Self::through(file::on_disk, folder, keep)
    }

    fn through(opener: Opener, folder: &Path, keep: Keep) -> Result<Self, StoreError> {
        let file = DatabaseFile::open(folder, opener)?;
        let prepared = file.with(|database| {
            let transaction = database.begin_write()?;
            prepare(&transaction)?;
            // A replica evicts only what the log says: all replicas must have the same marks.
            if !log_id::follows_a_log(&transaction)? {
                evict::forget(&transaction, &keep)?;
            }
            let series_ids = SeriesIds::read(&transaction)?;
            let sizes = TableSizes::read(&transaction)?;
            transaction.commit()?;
            Ok((series_ids, sizes))
        });
        let (series_ids, sizes) = prepared.map_err(|fault| fault.into_read_error(&file.path))?;
        file.compact(sizes.needed_bytes());
        Ok(Self { file, keep, series_ids: Mutex::new(series_ids) })
    }

    fn read<T>(&self, work: impl FnOnce(StoreReader<'_>) -> Result<T, TransactionFault>) -> Result<T, StoreError> {
        let read = self.file.with(|database| work(StoreReader { transaction: database.begin_read()?, file: &self.file.path }));
        read.map_err(|fault| fault.into_read_error(&self.file.path))
    }

    /// Runs `work` in one transaction, which is on disk when this returns.
    fn write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T, TransactionFault>) -> Result<T, StoreError> {
        let written = self.file.with(|database| {
            let transaction = database.begin_write()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        written.map_err(|fault| fault.into_write_error(&self.file.path))
    }
}

/// Creates the tables and the store's id, if they do not exist yet.
fn prepare(transaction: &WriteTransaction) -> Result<(), TransactionFault> {
    transaction.open_table(RULES)?;
    transaction.open_table(AUDIT)?;
    transaction.open_table(SERIES)?;
    transaction.open_table(TOTALS)?;
    transaction.open_table(MARKS)?;
    transaction.open_table(ATTACHED)?;
    transaction.open_table(EXPOSED)?;
    transaction.open_table(NOTICES)?;
    transaction.open_table(MESSAGES)?;
    for resolution in Resolution::ALL {
        transaction.open_table(slots(resolution))?;
    }
    let (mut names, mut numbers) = (transaction.open_table(NAMES)?, transaction.open_table(NUMBERS)?);
    if names.get("store")?.is_none() {
        names.insert("store", uuid::Uuid::new_v4().to_string().as_str())?;
        numbers.insert("format", FORMAT)?;
        numbers.insert("revision", 0)?;
        numbers.insert("audit_entries", 0)?;
    }
    // A file from before the metrics store existed gets one now.
    if numbers.get("since_ms")?.is_none() {
        numbers.insert("since_ms", now_ms())?;
    }
    Ok(())
}

impl Store for RedbStore {
    fn load(&self) -> Result<StoredRules, StoreError> {
        self.read(|reading| ledger::read(&reading.transaction))
    }

    fn commit(&self, change: &RuleChange) -> Result<(), StoreError> {
        self.write(|transaction| ledger::change(transaction, change))
    }
}

impl NoticeStore for RedbStore {
    fn load_notices(&self) -> Result<StoredNotices, StoreError> {
        self.read(|reading| notices::read(&reading.transaction))
    }

    fn save_notices(&self, change: &NoticeChange) -> Result<(), StoreError> {
        self.write(|transaction| notices::write(transaction, change))
    }
}

impl MetricsStore for RedbStore {
    fn marks(&self, processes: &[Process]) -> Result<Vec<u64>, StoreError> {
        self.read(|reading| {
            let marks = reading.transaction.open_table(MARKS)?;
            let mark =
                |process: &Process| Ok(marks.get((process.pod_uid.as_str(), process.epoch))?.map_or(0, |mark| mark.value().0));
            processes.iter().map(mark).collect()
        })
    }

    fn append(&self, append: &Append) -> Result<(), StoreError> {
        let mut series_ids = self.series_ids.lock().unwrap_or_else(PoisonError::into_inner);
        let assigned = self.write(|transaction| append::append(transaction, append, &series_ids, &self.keep))?;
        series_ids.commit_assigned(assigned);
        Ok(())
    }

    fn forget(&self, names: &[SeriesName]) -> Result<(), StoreError> {
        let mut series_ids = self.series_ids.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers: Vec<u32> = names.iter().filter_map(|name| series_ids.known(name)).collect();
        self.write(|transaction| evict::forget_series(transaction, &numbers))?;
        series_ids.remove(names);
        Ok(())
    }

    fn view(&self, read_view: &mut dyn FnMut(&dyn StoreView) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.read(|reading| Ok(read_view(&reading)))?
    }

    fn attached(&self) -> Result<Vec<Process>, StoreError> {
        self.read(|reading| handover::attached(&reading.transaction))
    }

    fn exposed(&self) -> Result<Vec<(SeriesName, GoldenMetrics)>, StoreError> {
        self.read(|reading| handover::exposed(&reading.transaction))
    }

    fn record(&self, handover: &Handover) -> Result<(), StoreError> {
        self.write(|transaction| handover::record(transaction, handover))
    }

    fn size(&self) -> Result<StoreSize, StoreError> {
        let bytes = self.file.bytes();
        self.read(|reading| Ok(TableSizes::from_table(&reading.transaction.open_table(NUMBERS)?)?.size(bytes)))
    }

    fn keeps(&self) -> Keep {
        self.keep
    }
}

#[cfg(test)]
mod tests;
