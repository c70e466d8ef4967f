//! The embedded store: one file in the data folder, written in whole transactions, which survives a crash at any instant.

use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use crate::audit::{self, ENTRIES_MAX};
use crate::rules::state::AUDIT_AT_HAND_MAX;
use crate::store::redb::written::Written;
use crate::store::{Change, Ledger, Store, StoreError};

mod written;

/// The name of the file.
const FILE: &str = "sitio.redb";

/// The way in which rules and entries are written. A control plane refuses a file that a later one has written.
const FORMAT: u64 = 1;

const NAMES: TableDefinition<'_, &str, &str> = TableDefinition::new("names");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
const RULES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rules");
const AUDIT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("audit");

/// A store in a file. The file is locked as long as it is open.
#[derive(Debug)]
pub struct RedbStore {
    file: PathBuf,
    database: Database,
}

impl RedbStore {
    /// Opens the store in this folder, or makes both.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let no_folder = |source| StoreError::Folder { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(no_folder)?;
        let file = folder.join(FILE);
        let database = Database::create(&file).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { file: file.clone() },
            DatabaseError::Storage(redb::StorageError::Io(source)) if source.kind() != std::io::ErrorKind::InvalidData => {
                no_folder(source)
            }
            error => StoreError::Unreadable { file: file.clone(), why: error.to_string() },
        })?;
        let store = Self { file, database };
        store.prepare().map_err(|error| store.unreadable(&error))?;
        Ok(store)
    }

    /// Makes the tables and gives the store its name, if that has not been done before.
    fn prepare(&self) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            transaction.open_table(RULES)?;
            transaction.open_table(AUDIT)?;
            let mut names = transaction.open_table(NAMES)?;
            if names.get("store")?.is_none() {
                names.insert("store", uuid::Uuid::new_v4().to_string().as_str())?;
                let mut numbers = transaction.open_table(NUMBERS)?;
                numbers.insert("format", FORMAT)?;
                numbers.insert("revision", 0)?;
                numbers.insert("audit_entries", 0)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&self) -> Result<Result<Ledger, String>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let (names, numbers) = (transaction.open_table(NAMES)?, transaction.open_table(NUMBERS)?);
        let number = |name: &str| Ok::<_, redb::Error>(numbers.get(name)?.map_or(0, |number| number.value()));
        let format = number("format")?;
        if format != FORMAT {
            return Ok(Err(format!("it is of format {format}, and this control plane knows format {FORMAT}")));
        }
        let mut ledger = Ledger {
            store: names.get("store")?.map(|name| name.value().to_owned()).unwrap_or_default(),
            revision: number("revision")?,
            audit_entries: number("audit_entries")?,
            ..Ledger::default()
        };
        for row in transaction.open_table(RULES)?.iter()? {
            let (id, bytes) = row?;
            match Written::read(bytes.value()) {
                Ok(record) => ledger.records.push(record),
                Err(why) => return Ok(Err(format!("rule {}: {why}", id.value()))),
            }
        }
        for row in transaction.open_table(AUDIT)?.iter()?.rev().take(AUDIT_AT_HAND_MAX) {
            let (number, bytes) = row?;
            match serde_json::from_slice::<audit::Entry>(bytes.value()) {
                Ok(entry) => ledger.audit.push(entry),
                Err(why) => return Ok(Err(format!("audit entry {}: {why}", number.value()))),
            }
        }
        ledger.audit.reverse();
        Ok(Ok(ledger))
    }

    /// Writes a change, if the revision is still the one that it was decided on; otherwise returns the one that it is.
    fn write(&self, change: &Change) -> Result<Result<(), u64>, redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut numbers = transaction.open_table(NUMBERS)?;
            let revision = numbers.get("revision")?.map_or(0, |revision| revision.value());
            if revision != change.from {
                return Ok(Err(revision));
            }
            numbers.insert("revision", change.to)?;
            let mut rules = transaction.open_table(RULES)?;
            for record in &change.put {
                rules.insert(record.rule.id.as_str(), Written::bytes(record).as_slice())?;
            }
            for id in &change.drop {
                rules.remove(id.as_str())?;
            }
            let mut audit = transaction.open_table(AUDIT)?;
            for entry in &change.audit {
                let bytes = serde_json::to_vec(entry).expect("an entry is made of texts and numbers");
                audit.insert(entry.number, bytes.as_slice())?;
                numbers.insert("audit_entries", entry.number)?;
            }
            while audit.len()? > ENTRIES_MAX {
                audit.pop_first()?;
            }
        }
        transaction.commit()?;
        Ok(Ok(()))
    }

    fn unreadable(&self, error: &redb::Error) -> StoreError {
        StoreError::Unreadable { file: self.file.clone(), why: error.to_string() }
    }
}

impl Store for RedbStore {
    fn load(&self) -> Result<Ledger, StoreError> {
        let read = self.read().map_err(|error| self.unreadable(&error))?;
        read.map_err(|why| StoreError::Unreadable { file: self.file.clone(), why })
    }

    fn commit(&self, change: &Change) -> Result<(), StoreError> {
        let written =
            self.write(change).map_err(|error| StoreError::Write { file: self.file.clone(), why: error.to_string() })?;
        written.map_err(|actual| StoreError::Stale { expected: change.from, actual })
    }
}

#[cfg(test)]
mod tests;
