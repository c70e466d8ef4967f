//! Errors within one transaction, and how they map to [`StoreError`].

use std::path::Path;

use redb::{CommitError, StorageError, TableError, TransactionError};

use crate::store::StoreError;
use crate::store::codec::Corrupt;

/// Why a transaction failed.
#[derive(Debug)]
pub(super) enum TransactionFault {
    /// The engine failed, and the file must be reopened.
    Engine(String),
    /// The file contains invalid data.
    Corrupt(String),
    /// A value has changed since the decision was made.
    Stale {
        /// The expected value.
        expected: u64,
        /// The actual value.
        actual: u64,
    },
    /// The file cannot be opened.
    Shut(StoreError),
}

impl TransactionFault {
    /// Invalid data was read at `what`.
    pub(super) fn corrupt(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self::Corrupt(format!("{what}: {why}"))
    }

    /// Converts to the error of a read.
    pub(super) fn into_read_error(self, file: &Path) -> StoreError {
        match self {
            Self::Engine(why) | Self::Corrupt(why) => StoreError::Unreadable { file: file.to_owned(), why },
            Self::Stale { expected, actual } => StoreError::Stale { expected, actual },
            Self::Shut(error) => error,
        }
    }

    /// Converts to the error of a write.
    pub(super) fn into_write_error(self, file: &Path) -> StoreError {
        match self {
            Self::Engine(why) => StoreError::Write { file: file.to_owned(), why },
            // The folder was usable when the program started, so the setting is not wrong.
            Self::Shut(StoreError::Folder { source, .. }) => StoreError::Write { file: file.to_owned(), why: source.to_string() },
            other => other.into_read_error(file),
        }
    }
}

impl From<Corrupt> for TransactionFault {
    fn from(torn: Corrupt) -> Self {
        Self::corrupt("the record", torn)
    }
}

/// Every error of the engine becomes [`TransactionFault::Engine`].
macro_rules! engine {
    ($($error:ty),*) => {
        $(impl From<$error> for TransactionFault {
            fn from(error: $error) -> Self {
                Self::Engine(error.to_string().lines().next().unwrap_or_default().to_owned())
            }
        })*
    };
}

engine!(StorageError, TableError, TransactionError, CommitError);
