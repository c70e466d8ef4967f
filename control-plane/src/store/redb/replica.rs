//! The store of a replica: writes of the shared log with the position in it, in one transaction, and whole copies.

use std::path::Path;
use std::sync::PoisonError;

use redb::{Database, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use crate::model::rule_record::RuleChange;
use crate::store::StoreError;
use crate::store::metrics_store::SeriesName;
use crate::store::redb::fault::TransactionFault;
use crate::store::redb::log_id::{LEFT, LOG};
use crate::store::redb::series_ids::SeriesIds;
use crate::store::redb::tables::{
    ATTACHED, AUDIT, EXPOSED, MARKS, MESSAGES, NAMES, NOTICES, NUMBERS, RULES, SERIES, TOTALS, slots,
};
use crate::store::redb::{RedbStore, append, evict, handover, ledger, notices};
use crate::store::replica_log::{LogPosition, LogWrite, Verdict, follows};
use crate::store::rollup::Resolution;

/// The memory for the pages of a copy that is being written.
const COPY_CACHE_BYTES: usize = 16 << 20;

/// The keys of the position in the table of numbers.
const SEQUENCE: &str = "log_sequence";
const TERM: &str = "log_term";
const RULES_SEQUENCE: &str = "log_rules_sequence";

/// The keys of texts in the table of names: the sign-in sessions, and a sealed key.
const SESSIONS: &str = "sessions";
const CA_KEY: &str = "ca_key";

/// The state of the rules at a position in their log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulesPosition {
    /// The revision.
    pub revision: u64,
    /// The number of audit entries.
    pub audit_entries: u64,
    /// The last sequence that is applied.
    pub sequence: u64,
}

impl RedbStore {
    /// The id of this store.
    pub fn id(&self) -> Result<String, StoreError> {
        self.read(|reading| Ok(name(&reading.transaction, "store")?.unwrap_or_default()))
    }

    /// Which log the position is of; `None` if no log was applied yet.
    pub fn log_id(&self) -> Result<Option<String>, StoreError> {
        self.read(|reading| name(&reading.transaction, LOG))
    }

    /// Records that a control plane writes to this store alone from now on, if it was that of a replica.
    pub fn leave_log(&self) -> Result<(), StoreError> {
        if self.log_id()?.is_none_or(|id| id == LEFT) {
            return Ok(());
        }
        self.write(|transaction| {
            transaction.open_table(NAMES)?.insert(LOG, LEFT)?;
            Ok(())
        })
    }

    /// Begins to apply another log, of which nothing is applied yet.
    pub fn begin_log(&self, id: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.open_table(NAMES)?.insert(LOG, id)?;
            let mut numbers = transaction.open_table(NUMBERS)?;
            for key in [SEQUENCE, TERM, RULES_SEQUENCE] {
                numbers.insert(key, 0)?;
            }
            Ok(())
        })
    }

    /// The revision and the number of audit entries, and the position in the log of rules that they are of.
    pub fn rules_position(&self) -> Result<RulesPosition, StoreError> {
        self.read(|reading| {
            let numbers = reading.transaction.open_table(NUMBERS)?;
            let number = |key: &str| Ok::<_, TransactionFault>(numbers.get(key)?.map_or(0, |number| number.value()));
            let (revision, audit_entries) = (number("revision")?, number("audit_entries")?);
            Ok(RulesPosition { revision, audit_entries, sequence: number(RULES_SEQUENCE)? })
        })
    }

    /// The sign-in sessions that the log has brought, as JSON.
    pub fn sessions(&self) -> Result<Option<String>, StoreError> {
        self.read(|reading| name(&reading.transaction, SESSIONS))
    }

    /// The sealed key of the CA that replicas share.
    pub fn ca_key(&self) -> Result<Option<String>, StoreError> {
        self.read(|reading| name(&reading.transaction, CA_KEY))
    }

    /// How far the logs are applied.
    pub fn log_position(&self) -> Result<LogPosition, StoreError> {
        self.read(|reading| {
            let numbers = reading.transaction.open_table(NUMBERS)?;
            let number = |key: &str| Ok::<_, TransactionFault>(numbers.get(key)?.map_or(0, |number| number.value()));
            Ok(LogPosition { sequence: number(SEQUENCE)?, term: number(TERM)?, rules_sequence: number(RULES_SEQUENCE)? })
        })
    }

    /// Applies writes in their order and moves the position, in one transaction. A write that does not follow what is
    /// stored changes nothing.
    pub fn apply_log(&self, writes: &[&LogWrite], sequence: u64, term: u64) -> Result<Vec<Verdict>, StoreError> {
        let mut series_ids = self.series_ids.lock().unwrap_or_else(PoisonError::into_inner);
        let mut undo = SeriesUndo::default();
        let applied = self.write(|transaction| {
            let verdicts = writes.iter().map(|write| self.apply(transaction, write, &mut series_ids, &mut undo)).collect();
            let mut numbers = transaction.open_table(NUMBERS)?;
            numbers.insert(SEQUENCE, sequence)?;
            numbers.insert(TERM, term)?;
            verdicts
        });
        if applied.is_err() {
            undo.undo(&mut series_ids);
        }
        applied
    }

    fn apply(
        &self,
        transaction: &WriteTransaction,
        write: &LogWrite,
        series_ids: &mut SeriesIds,
        undo: &mut SeriesUndo,
    ) -> Result<Verdict, TransactionFault> {
        match write {
            LogWrite::Append(write) => {
                let verdict = {
                    let marks = transaction.open_table(MARKS)?;
                    follows(&write.advances, |process| {
                        let mark = marks.get((process.pod_uid.as_str(), process.epoch))?;
                        Ok::<_, TransactionFault>(mark.map_or(0, |mark| mark.value().0))
                    })?
                };
                if verdict == Verdict::Taken {
                    let assigned = append::append(transaction, write, series_ids, &self.keep)?;
                    undo.assigned.extend(assigned.iter().cloned());
                    series_ids.commit_assigned(assigned);
                }
                return Ok(verdict);
            }
            LogWrite::Forget(names) => {
                let known = names.iter().filter_map(|name| Some((name.clone(), series_ids.known(name)?)));
                let known: Vec<(SeriesName, u32)> = known.collect();
                let numbers: Vec<u32> = known.iter().map(|(_, number)| *number).collect();
                evict::forget_series(transaction, &numbers)?;
                series_ids.remove(names);
                undo.forgotten.extend(known);
            }
            LogWrite::Record(write) => handover::record(transaction, write)?,
            LogWrite::Notices(change) => notices::write(transaction, change)?,
            LogWrite::CaKey(sealed) => drop(transaction.open_table(NAMES)?.insert(CA_KEY, sealed.as_str())?),
            LogWrite::Sessions(json) => drop(transaction.open_table(NAMES)?.insert(SESSIONS, json.as_str())?),
        }
        Ok(Verdict::Taken)
    }

    /// Applies a change of the rules and moves the position in their log, in one transaction.
    pub fn apply_rules(&self, change: &RuleChange, sequence: u64) -> Result<(), StoreError> {
        self.write(|transaction| {
            // A commit that was reported as failed may have succeeded.
            let applied = transaction.open_table(NUMBERS)?.get(RULES_SEQUENCE)?.map_or(0, |applied| applied.value());
            if applied >= sequence {
                return Ok(());
            }
            ledger::change(transaction, change)?;
            transaction.open_table(NUMBERS)?.insert(RULES_SEQUENCE, sequence)?;
            Ok(())
        })
    }

    /// Writes a copy of everything at one moment into a new file.
    pub fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        let _ = std::fs::remove_file(file);
        self.read(|reading| {
            let mut builder = Database::builder();
            // The default is a gigabyte, four times the memory of a control plane.
            builder.set_cache_size(COPY_CACHE_BYTES);
            let copy = builder.create(file).map_err(|why| TransactionFault::Engine(why.to_string()))?;
            let (from, into) = (&reading.transaction, copy.begin_write()?);
            copy_table(from, &into, NAMES)?;
            copy_table(from, &into, NUMBERS)?;
            copy_table(from, &into, RULES)?;
            copy_table(from, &into, AUDIT)?;
            copy_table(from, &into, SERIES)?;
            copy_table(from, &into, TOTALS)?;
            copy_table(from, &into, MARKS)?;
            copy_table(from, &into, ATTACHED)?;
            copy_table(from, &into, EXPOSED)?;
            copy_table(from, &into, NOTICES)?;
            copy_table(from, &into, MESSAGES)?;
            for resolution in Resolution::ALL {
                copy_table(from, &into, slots(resolution))?;
            }
            into.commit()?;
            Ok(())
        })
    }
}

/// What a transaction has changed in the numbers of series, to undo it if the transaction fails.
#[derive(Default)]
struct SeriesUndo {
    assigned: Vec<(SeriesName, u32)>,
    forgotten: Vec<(SeriesName, u32)>,
}

impl SeriesUndo {
    fn undo(self, series_ids: &mut SeriesIds) {
        let names: Vec<SeriesName> = self.assigned.iter().map(|(name, _)| name.clone()).collect();
        series_ids.remove(&names);
        // A series that the transaction itself had added was not there before.
        let there_before = self.forgotten.into_iter().filter(|forgotten| !self.assigned.contains(forgotten));
        series_ids.commit_assigned(there_before.collect());
    }
}

fn name(transaction: &ReadTransaction, key: &str) -> Result<Option<String>, TransactionFault> {
    Ok(transaction.open_table(NAMES)?.get(key)?.map(|text| text.value().to_owned()))
}

fn copy_table<K: redb::Key + 'static, V: redb::Value + 'static>(
    from: &ReadTransaction,
    into: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<(), TransactionFault> {
    let (from, mut into) = (from.open_table(table)?, into.open_table(table)?);
    for row in from.iter()? {
        let (key, value) = row?;
        into.insert(key.value(), value.value())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
