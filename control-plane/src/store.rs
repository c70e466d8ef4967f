//! The store of the rules and the audit log: initial state, and atomic, durable changes.

use std::path::PathBuf;

use crate::model::rule_record::{RuleChange, StoredRules};

pub mod codec;
pub mod metrics_store;
pub mod notice_store;
pub mod redb;
pub mod replica_log;
pub mod rollup;
pub mod session_store;

/// Storage of the rules and audit entries. Calls may block, so call it only where blocking is
/// allowed.
///
/// A revision identifies a state of the rules, and [`Store::commit`] is a compare-and-set on it. If
/// two replicas decide on the same state, the second one gets an error.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Reads everything that is needed to continue where the last process stopped.
    fn load(&self) -> Result<StoredRules, StoreError>;

    /// Makes a change atomically and durably, or not at all.
    fn commit(&self, change: &RuleChange) -> Result<(), StoreError>;
}

/// Why a store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be created or used.
    #[error("cannot use the data folder {}: {source}; choose another with --data-dir", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Another process holds the file.
    #[error("{} is in use by another control plane: stop that one, or choose another folder with --data-dir", file.display())]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be read as a store.
    #[error("{} cannot be read ({why}): put a copy from a backup in its place, or move it away to start with no rules", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The rules, or the mark of a process, have changed in the meantime.
    #[error("expected the store at {expected}, but it is at {actual}: another command or control plane has changed it")]
    Stale {
        /// The revision or mark that the decision was based on.
        expected: u64,
        /// The actual value in the store.
        actual: u64,
    },
    /// The log that replicas share did not confirm a write, or cannot be asked what it holds. Another replica may know
    /// more than this one.
    #[error("the log of the replicas on NATS has not confirmed it: {0}")]
    Unconfirmed(String),
    /// A change could not be written.
    #[error("cannot write {}: {why}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        why: String,
    },
}
