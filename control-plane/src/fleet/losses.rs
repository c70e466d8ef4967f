//! Hits that processes had told when they ended, and never brought to disk.

use std::sync::{Arc, Mutex, PoisonError};

use crate::keeper::account::Account;

/// What was lost, told once it is certain.
#[derive(Debug, Default)]
pub(super) struct Losses(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    hits: u64,
    /// Processes of which a window may still be on its way to the disk: no more than there are such windows.
    uncertain: Vec<Ended>,
}

/// A process that has ended.
#[derive(Debug)]
struct Ended {
    told: u64,
    account: Arc<Account>,
}

impl Losses {
    /// A process has ended that had told so many hits.
    pub(super) fn ended(&self, told: u64, account: Arc<Account>) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.uncertain.push(Ended { told, account });
        counted.settle();
    }

    /// Hits that are lost for certain.
    pub(super) fn hits(&self) -> u64 {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.settle();
        counted.hits
    }
}

impl Counted {
    fn settle(&mut self) {
        // Each window that is under way holds the account, and is the only one that does besides the tally, which is gone.
        for ended in self.uncertain.extract_if(.., |ended| Arc::strong_count(&ended.account) == 1) {
            self.hits = self.hits.saturating_add(ended.told.saturating_sub(ended.account.hits()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_is_still_being_written_is_not_lost() {
        let (losses, account) = (Losses::default(), Arc::new(Account::default()));
        let under_way = Arc::clone(&account);
        losses.ended(100, account);
        assert_eq!(losses.hits(), 0, "nobody knows yet");
        under_way.is_kept(5, 60);
        drop(under_way);
        assert_eq!(losses.hits(), 40);
        losses.ended(7, Arc::default());
        assert_eq!(losses.hits(), 47);
    }
}
