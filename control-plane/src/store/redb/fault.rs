//! What can go wrong within one transaction, and what it means for whoever asked for it.

use std::path::Path;

use redb::{CommitError, StorageError, TableError, TransactionError};

use crate::store::StoreError;
use crate::store::compact::Torn;

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// The engine failed, and the file has to be opened anew.
    Engine(String),
    /// What lies in the file makes no sense.
    Torn(String),
    /// Something is not as it was when this was decided.
    Stale {
        /// What it was.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// The file cannot be opened.
    Shut(StoreError),
}

impl Fault {
    /// What was read from that place makes no sense.
    pub(super) fn torn(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self::Torn(format!("{what}: {why}"))
    }

    /// For whoever wanted to read.
    pub(super) fn reading(self, file: &Path) -> StoreError {
        match self {
            Self::Engine(why) | Self::Torn(why) => StoreError::Unreadable { file: file.to_owned(), why },
            Self::Stale { expected, actual } => StoreError::Stale { expected, actual },
            Self::Shut(error) => error,
        }
    }

    /// For whoever wanted to write.
    pub(super) fn writing(self, file: &Path) -> StoreError {
        match self {
            Self::Engine(why) => StoreError::Write { file: file.to_owned(), why },
            // It could be used when the program started, so it is not the setting that is wrong.
            Self::Shut(StoreError::Folder { source, .. }) => StoreError::Write { file: file.to_owned(), why: source.to_string() },
            other => other.reading(file),
        }
    }
}

impl From<Torn> for Fault {
    fn from(torn: Torn) -> Self {
        Self::torn("the record", torn)
    }
}

/// Every error of the engine is one.
macro_rules! engine {
    ($($error:ty),*) => {
        $(impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Engine(error.to_string().lines().next().unwrap_or_default().to_owned())
            }
        })*
    };
}

engine!(StorageError, TableError, TransactionError, CommitError);
