//! What one series has counted: the running second is gathered apart, and booked once when it is over or somebody looks.

use std::sync::Arc;

use mesh::callers::Callers;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::timeline::bytes_room::{Share, Taken};
use crate::timeline::history::{History, Span};
use crate::timeline::series::Series;

/// The counts of a series.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) totals: GoldenMetrics,
    /// What is in the totals and will never be on disk.
    pub(super) lost: Option<Box<GoldenMetrics>>,
    pub(super) seen: Option<Seen>,
    pub(super) history: History,
    slots: Taken,
    /// Hundreds of pods tell of the same second, and adding to totals and two rings for each would be most of the work.
    running: Running,
    /// Who has called pods that are forgotten, and processes that are over.
    pub(super) called_before: Callers,
    /// Where it is counted since its endpoint has another name.
    pub(super) into: Option<Arc<Series>>,
}

/// Counts of one short slot that are neither in the totals nor in the history yet.
#[derive(Debug, Default)]
struct Running {
    slot: u64,
    at_ms: u64,
    golden: GoldenMetrics,
}

impl Counted {
    pub(super) fn nothing(slots: &Arc<Share>) -> Self {
        Self {
            totals: GoldenMetrics::default(),
            lost: None,
            seen: None,
            history: History::new(),
            slots: slots.nothing(),
            running: Running::default(),
            called_before: Callers::default(),
            into: None,
        }
    }

    /// Adds counts, evenly over the time that they tell of, from `since_ms` on.
    pub(super) fn add(&mut self, span: Span, since_ms: u64, golden: &GoldenMetrics) {
        let Some(slot) = span.slot() else {
            // Each in its turn: the clock may have been set back in between, and what is older than the rings is let go.
            self.book();
            self.totals.merge(golden);
            return self.add_to_slots(span, since_ms, golden);
        };
        if slot != self.running.slot {
            self.book();
        }
        (self.running.slot, self.running.at_ms) = (slot, span.to_ms);
        self.running.golden.merge(golden);
    }

    /// Books what the running second has brought. Whoever looks at the rest has to do so first.
    pub(super) fn book(&mut self) {
        if self.running.golden.is_empty() {
            return;
        }
        let golden = std::mem::take(&mut self.running.golden);
        self.totals.merge(&golden);
        let at_ms = self.running.at_ms;
        self.add_to_slots(Span { from_ms: at_ms, to_ms: at_ms }, at_ms, &golden);
    }

    /// What finds no room in the slots is in the totals all the same.
    fn add_to_slots(&mut self, span: Span, since_ms: u64, golden: &GoldenMetrics) {
        if self.slots.may_take(golden.weight()) {
            self.history.add(span, since_ms, golden);
        } else {
            self.history.reach(span.to_ms);
        }
        self.weigh();
    }

    /// The slots have become others.
    pub(super) fn weigh(&mut self) {
        self.slots.is_now(self.history.bytes());
    }
}
