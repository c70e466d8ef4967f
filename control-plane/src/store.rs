//! The store of the rules and the audit log: initial state, and atomic, durable changes.

use std::path::PathBuf;

use mesh::rule::Rule;

use crate::audit::{self, Outcome};

pub mod chronicle;
pub mod compact;
pub mod redb;
pub mod rollup;

/// Storage of the rules and audit entries. Calls may block, so call it only where blocking is
/// allowed.
///
/// A revision identifies a state of the rules, and [`Store::commit`] is a compare-and-set on it. If
/// two replicas decide on the same state, the second one gets an error.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Reads everything that is needed to continue where the last process stopped.
    fn load(&self) -> Result<Ledger, StoreError>;

    /// Makes a change atomically and durably, or not at all.
    fn commit(&self, change: &Change) -> Result<(), StoreError>;
}

/// The contents of a store.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The id of this store. Its revisions mean nothing in another.
    pub store: String,
    /// The newest revision; 0 if there was no command yet.
    pub revision: u64,
    /// The rules in force, and some that have ended.
    pub records: Vec<Record>,
    /// The newest audit entries, oldest first.
    pub audit: Vec<audit::Entry>,
    /// Number of audit entries ever written.
    pub audit_entries: u64,
}

/// A step from one revision to the next, or audit entries alone.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The revision that the decision was based on.
    pub from: u64,
    /// The revision after this change; the same if the rules stay as they are.
    pub to: u64,
    /// Rules that are new, or have ended.
    pub put: Vec<Record>,
    /// Ids of rules to delete: they ended long ago.
    pub drop: Vec<String>,
    /// Entries for the audit log.
    pub audit: Vec<audit::Entry>,
}

/// A rule, and the revisions that created and ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The rule.
    pub rule: Rule,
    /// The revision that created it.
    pub revision: u64,
    /// When it was created, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// How it ended; `None` while it is in force.
    pub ending: Option<Ending>,
}

/// How a rule ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When it ended, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The revision that ended it.
    pub revision: u64,
    /// The operator who withdrew it; `None` if it expired.
    pub by: Option<String>,
    /// What the pods had applied by then; `None` if an older control plane wrote the record.
    pub outcome: Option<Outcome>,
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
    #[error("the store is at {actual}, not at {expected}: another command has changed it")]
    Stale {
        /// The revision or mark that the decision was based on.
        expected: u64,
        /// The actual value in the store.
        actual: u64,
    },
    /// A change could not be written.
    #[error("write {}: {why}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        why: String,
    },
}
