//! What is on disk of one process, beside what it has reported: the difference is what its end would lose.

use std::sync::{Mutex, PoisonError};

/// One process's hits on disk. Shared by its tally and its windows under way.
#[derive(Debug, Default)]
pub struct Account(Mutex<Entry>);

#[derive(Debug, Default)]
struct Entry {
    mark: u64,
    hits: u64,
}

impl Account {
    /// Begins with what was on disk before this process was known here.
    pub fn begin(mark: u64, hits: u64) -> Self {
        Self(Mutex::new(Entry { mark, hits }))
    }

    /// A window that ends with this slot is on disk; each counts once.
    pub fn is_kept(&self, end: u64, hits: u64) {
        let mut entry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if end > entry.mark {
            *entry = Entry { mark: end, hits: entry.hits.saturating_add(hits) };
        }
    }

    /// The last slot of which everything is on disk.
    pub fn mark(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).mark
    }

    /// Hits on disk.
    pub fn hits(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hits
    }
}
