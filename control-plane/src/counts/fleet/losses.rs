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
    durable_counts: Arc<DurableCounts>,
    /// References to the durable counts besides those of windows on their way to disk.
    holders: usize,
}

impl Losses {
    /// Records the end of a process. `holders` is the number of references to `durable_counts`, this
    /// one included, that are not held by windows on their way to disk.
    pub(super) fn ended(&self, durable_counts: Arc<DurableCounts>, holders: usize) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.uncertain.push(EndedProcess { durable_counts, holders });
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
        let is_certain = |ended: &mut EndedProcess| Arc::strong_count(&ended.durable_counts) <= ended.holders;
        for EndedProcess { durable_counts, .. } in self.uncertain.extract_if(.., is_certain) {
            self.hits = self.hits.saturating_add(durable_counts.give_up());
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh::endpoint::Endpoint;
    use mesh::golden::GoldenMetrics;
    use proto::convert::windows::PackedCounts;

    use crate::counts::timeline::Timeline;
    use crate::counts::window_writer::pending_row::PendingRow;
    use crate::model::reporter::Reporter;

    use super::*;

    fn hits(hits: u64) -> GoldenMetrics {
        let mut golden = GoldenMetrics::default();
        golden.hits = hits;
        golden
    }

    #[test]
    fn a_window_that_is_still_being_written_is_not_lost() {
        let series = Timeline::new(0).series(Reporter { namespace: "n", service: "s" }, &Endpoint::other());
        let (losses, durable_counts) = (Losses::default(), Arc::new(DurableCounts::default()));
        let under_way = Arc::clone(&durable_counts);
        durable_counts.end([(&series, &hits(100))]);
        losses.ended(durable_counts, 1);
        assert_eq!(losses.hits(), 0, "it is not certain yet");
        let row = PendingRow { series: Arc::clone(&series), seen: None, counts: PackedCounts::pack(&hits(60)) };
        under_way.record_written(5, &[row]);
        drop(under_way);
        losses.settle();
        assert_eq!(losses.hits(), 40);
        let durable_counts = Arc::new(DurableCounts::default());
        durable_counts.end([(&series, &hits(2))]);
        losses.add(durable_counts.give_up());
        durable_counts.revive();
        durable_counts.end([(&series, &hits(9))]);
        losses.ended(durable_counts, 1);
        assert_eq!(losses.hits(), 49, "two of them were given up before");
    }
}
