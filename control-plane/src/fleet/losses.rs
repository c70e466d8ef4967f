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
    account: Arc<Account>,
    /// Hits of it that were told as lost before.
    given_up: u64,
}

impl Losses {
    /// A process has ended, of which so many hits were told as lost before.
    pub(super) fn ended(&self, account: Arc<Account>, given_up: u64) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.uncertain.push(Ended { account, given_up });
        counted.settle();
    }

    /// So many hits more are lost.
    pub(super) fn add(&self, hits: u64) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.hits = counted.hits.saturating_add(hits);
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
        for Ended { account, given_up } in self.uncertain.extract_if(.., |ended| Arc::strong_count(&ended.account) == 1) {
            self.hits = self.hits.saturating_add(account.is_lost().saturating_sub(given_up));
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh::endpoint::Endpoint;
    use mesh::golden::GoldenMetrics;
    use proto::convert::windows::PackedCounts;

    use crate::keeper::submission;
    use crate::timeline::{Reporter, Timeline};

    use super::*;

    fn hits(hits: u64) -> GoldenMetrics {
        let mut golden = GoldenMetrics::default();
        golden.hits = hits;
        golden
    }

    #[test]
    fn a_window_that_is_still_being_written_is_not_lost() {
        let series = Timeline::starting(0).series(Reporter { namespace: "n", service: "s" }, &Endpoint::other());
        let (losses, account) = (Losses::default(), Arc::new(Account::default()));
        let under_way = Arc::clone(&account);
        account.has_ended([(&series, &hits(100))]);
        losses.ended(account, 0);
        assert_eq!(losses.hits(), 0, "nobody knows yet");
        let row = submission::Counted { series: Arc::clone(&series), seen: None, counts: PackedCounts::of(&hits(60)) };
        under_way.is_kept(5, &[row]);
        drop(under_way);
        assert_eq!(losses.hits(), 40);
        let account = Arc::new(Account::default());
        account.has_ended([(&series, &hits(9))]);
        losses.ended(account, 2);
        assert_eq!(losses.hits(), 47, "two of them were told before");
    }
}
