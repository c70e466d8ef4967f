//! Counts the hits that ended processes had reported and never brought to disk.

use std::sync::{Arc, Mutex, PoisonError};

use crate::counts::window_writer::durable_counts::DurableCounts;

/// The lost hits, counted once the loss is certain.
#[derive(Debug, Default)]
pub(super) struct Losses(Mutex<LossCounts>);

#[derive(Debug, Default)]
struct LossCounts {
    hits: u64,
    /// Processes of which a window may still be on its way to disk: no more than there are such
    /// windows.
    uncertain: Vec<EndedProcess>,
}

/// A process that has ended.
#[derive(Debug)]
struct EndedProcess {
    account: Arc<DurableCounts>,
    /// References to the durable counts besides those of windows on their way to disk.
    holders: usize,
}

impl Losses {
    /// Records the end of a process. `holders` is the number of references to `account`, this one
    /// included, that are not windows on their way to disk.
    pub(super) fn ended(&self, account: Arc<DurableCounts>, holders: usize) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.uncertain.push(EndedProcess { account, holders });
        counted.settle();
    }

    /// Adds lost hits.
    pub(super) fn add(&self, hits: u64) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.hits = counted.hits.saturating_add(hits);
    }

    /// Hits that are certainly lost.
    pub(super) fn hits(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hits
    }

    /// Takes what is lost out of the totals, of processes of which no window is on its way to the disk any more.
    pub(super) fn settle(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).settle();
    }
}

impl LossCounts {
    fn settle(&mut self) {
        let is_certain = |ended: &mut EndedProcess| Arc::strong_count(&ended.account) <= ended.holders;
        for EndedProcess { account, .. } in self.uncertain.extract_if(.., is_certain) {
            self.hits = self.hits.saturating_add(account.give_up());
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh::endpoint::Endpoint;
    use mesh::golden::GoldenMetrics;
    use proto::convert::windows::PackedCounts;

    use crate::counts::timeline::Timeline;
    use crate::counts::window_writer::pending_window;
    use crate::model::reporter::Reporter;

    use super::*;

    fn hits(hits: u64) -> GoldenMetrics {
        let mut golden = GoldenMetrics::default();
        golden.hits = hits;
        golden
    }

    #[test]
    fn a_window_that_is_still_being_written_is_not_lost() {
        let series = Timeline::starting(0).series(Reporter { namespace: "n", service: "s" }, &Endpoint::other());
        let (losses, account) = (Losses::default(), Arc::new(DurableCounts::default()));
        let under_way = Arc::clone(&account);
        account.has_ended([(&series, &hits(100))]);
        losses.ended(account, 1);
        assert_eq!(losses.hits(), 0, "nobody knows yet");
        let row = pending_window::PendingRow { series: Arc::clone(&series), seen: None, counts: PackedCounts::of(&hits(60)) };
        under_way.is_kept(5, &[row]);
        drop(under_way);
        losses.settle();
        assert_eq!(losses.hits(), 40);
        let account = Arc::new(DurableCounts::default());
        account.has_ended([(&series, &hits(2))]);
        losses.add(account.give_up());
        account.lives();
        account.has_ended([(&series, &hits(9))]);
        losses.ended(account, 1);
        assert_eq!(losses.hits(), 49, "two of them were given up before");
    }
}
