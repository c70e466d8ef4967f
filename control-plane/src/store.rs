//! The seam to whatever keeps the rules and the audit book: state to start from, and changes that are durable or did not happen.

use std::path::PathBuf;

use mesh::rule::Rule;

use crate::audit::{self, Outcome};

pub mod chronicle;
pub mod compact;
pub mod redb;
pub mod rollup;

/// Where rules and audit entries are kept. Its calls may block, so they are made where blocking is allowed.
///
/// A revision is the name of a state of the rules, and [`Store::commit`] is a compare-and-set on it:
/// two replicas that decide on the same state cannot both be right, and the second one is told so.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Everything needed to go on where the last process stopped.
    fn load(&self) -> Result<Ledger, StoreError>;

    /// Makes a change, whole and durable, or not at all.
    fn commit(&self, change: &Change) -> Result<(), StoreError>;
}

/// What a store holds.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The name of this store. Its revisions mean nothing in another.
    pub store: String,
    /// The newest revision; 0 if there was no command yet.
    pub revision: u64,
    /// The rules in force, and some that have ended.
    pub records: Vec<Record>,
    /// The newest audit entries, oldest first.
    pub audit: Vec<audit::Entry>,
    /// How many audit entries there have ever been.
    pub audit_entries: u64,
}

/// A step from one revision to the next, or an audit entry alone.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The revision that was decided on.
    pub from: u64,
    /// The revision that this change makes; the same if the rules stay as they are.
    pub to: u64,
    /// Rules that are new, or have ended.
    pub put: Vec<Record>,
    /// Rules that ended long ago, and are not kept any longer.
    pub drop: Vec<String>,
    /// What is to be said of it in the book.
    pub audit: Vec<audit::Entry>,
}

/// A rule, and the revisions that it was made and ended by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The rule.
    pub rule: Rule,
    /// The revision that brought it.
    pub revision: u64,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// How it ended; `None` while it is in force.
    pub ending: Option<Ending>,
}

/// How a rule ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The revision without it.
    pub revision: u64,
    /// Who withdrew it; `None` if its time was over.
    pub by: Option<String>,
    /// What had become of it by then; `None` if an older control plane wrote it down.
    pub outcome: Option<Outcome>,
}

/// Why a store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or used.
    #[error("cannot use the data folder {}: {source}; choose another with --data-dir", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
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
    /// The rules have changed in the meantime, or the record, in between.
    #[error("the store is at {actual}, not at {expected}: another command has changed it")]
    Stale {
        /// The revision, or the mark, that was decided on.
        expected: u64,
        /// What the store is at.
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
