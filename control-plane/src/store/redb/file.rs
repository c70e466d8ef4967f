//! The store's file: opens and checks it, closes it after a failure, and reopens it.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{Builder, Database, DatabaseError, StorageError};

use crate::store::StoreError;
use crate::store::redb::catch_panic::guarded;
use crate::store::redb::fault::TransactionFault;

/// The name of the file.
pub(super) const FILE: &str = "sitio.redb";

/// Bytes of pages cached in memory. The system caches more, and frees that memory when it needs it.
const CACHE_BYTES: usize = 64 << 20;

/// A file is compacted if it has at least this size and needs at most half of it: the copy is then
/// small, and takes seconds.
const COMPACTED_BYTES_MIN: u64 = 64 << 20;

/// Opens the engine on a path. Tests replace it with a disk that fails.
pub(super) type Opener = fn(&Path) -> Result<Database, DatabaseError>;

/// Opens the engine on the real disk.
pub(super) fn on_disk(file: &Path) -> Result<Database, DatabaseError> {
    Builder::new().set_cache_size(CACHE_BYTES).create(file)
}

/// One file that is open, or is opened when it is next needed.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    pub(super) path: PathBuf,
    opener: Opener,
    open: RwLock<Option<Database>>,
}

impl DatabaseFile {
    /// Opens the file in this folder and checks it completely; creates both if needed.
    pub(super) fn open(folder: &Path, opener: Opener) -> Result<Self, StoreError> {
        let no_folder = |source| StoreError::Folder { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(no_folder)?;
        let file = Self { path: folder.join(FILE), opener, open: RwLock::new(None) };
        file.reopen()?;
        file.check()?;
        Ok(file)
    }

    /// The engine trusts a file that was closed cleanly. Later damage must be detected before the
    /// file is used.
    fn check(&self) -> Result<(), StoreError> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = open.as_mut() else { return Err(self.unreadable("it was closed after an error")) };
        match guarded(|| database.check_integrity()) {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => {
                tracing::warn!(file = %self.path.display(), "the store was damaged and has been restored to its last complete transaction");
                Ok(())
            }
            Ok(Err(error)) => Err(self.unreadable(error)),
            Err(panic) => Err(self.unreadable(panic)),
        }
    }

    fn database(&self) -> Result<Database, StoreError> {
        let opened = guarded(|| (self.opener)(&self.path)).map_err(|panic| self.unreadable(panic))?;
        opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { file: self.path.clone() },
            DatabaseError::Storage(StorageError::Io(source)) if !is_damage(&source) => {
                let folder = self.path.parent().unwrap_or(&self.path).to_owned();
                StoreError::Folder { folder, source }
            }
            error => self.unreadable(error),
        })
    }

    /// Compacts the file if much of it is free.
    pub(super) fn compact(&self, needed_bytes: u64) {
        let file_bytes = self.bytes();
        if file_bytes < COMPACTED_BYTES_MIN || needed_bytes > file_bytes / 2 {
            return;
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = open.as_mut() else { return };
        match guarded(|| database.compact()) {
            Ok(Ok(_)) => tracing::info!(before = file_bytes, after = self.bytes(), "the store's file was compacted"),
            Ok(Err(error)) => tracing::warn!(%error, "the store's file could not be compacted"),
            Err(panic) => tracing::warn!(panic, "the store's file could not be compacted"),
        }
    }

    /// Runs `work` with the file. After a failure of the engine the file is closed, and reopened
    /// when it is next needed: after a failed write the engine refuses all others.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, TransactionFault>) -> Result<T, TransactionFault> {
        self.reopen().map_err(TransactionFault::Shut)?;
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = open.as_ref() else {
            return Err(TransactionFault::Engine("it was closed after an error".to_owned()));
        };
        let done = guarded(|| work(database)).unwrap_or_else(|panic| Err(TransactionFault::Engine(panic)));
        drop(open);
        if let Err(TransactionFault::Engine(_)) = done {
            self.close();
        }
        done
    }

    fn reopen(&self) -> Result<(), StoreError> {
        if self.open.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            *open = Some(self.database()?);
        }
        Ok(())
    }

    fn close(&self) {
        let failed = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        // Closing writes, which may fail or panic; the file is repaired when it is reopened.
        let _ = guarded(|| drop(failed));
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    pub(super) fn unreadable(&self, why: impl ToString) -> StoreError {
        let why = why.to_string().lines().next().unwrap_or_default().to_owned();
        StoreError::Unreadable { file: self.path.clone(), why }
    }
}

impl Drop for DatabaseFile {
    fn drop(&mut self) {
        self.close();
    }
}

/// Returns whether an I/O error of the engine means damage: the file is not a store file, or ends
/// too early.
fn is_damage(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
}
