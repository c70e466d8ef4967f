//! Closes the ledger's windows on time, and computes the baseline of what is durable.

use std::time::Instant;

use mesh::window::{Window, WindowKind, WindowRow};

use crate::ledger::windows::{Moment, UnackedWindows};
use crate::ledger::{Ledger, OpenShare};

impl Ledger {
    /// Keeps windows from now on; earlier counts go into the first one. Without a control client no windows are kept.
    pub fn keep_windows(&mut self) {
        if self.windows.is_none() {
            self.windows = Some(UnackedWindows::default());
            for row in self.rows.values_mut() {
                row.open = OpenShare { golden: row.total.clone(), seen: row.seen };
            }
        }
    }

    /// The windows, if they are kept.
    pub fn windows(&mut self) -> Option<&mut UnackedWindows> {
        self.windows.as_mut()
    }

    /// Starts a new stream to a control plane that has everything up to `mark` on disk and accepts at most
    /// `in_flight_max` windows without an ack.
    pub fn begin_stream(&mut self, mark: u64, in_flight_max: usize) {
        let known = self.baseline();
        let Some(windows) = &mut self.windows else { return };
        if mark < known.id {
            windows.restore(known, mark);
        }
        windows.begin_stream(mark, in_flight_max);
    }

    /// Closes the open window if its time is over. Counts collected just before still belong to it: they are from the
    /// second before, and how they divide over the boundary is not known.
    pub fn turn(&mut self, now: Moment) {
        if self.windows.as_mut().is_some_and(|windows| windows.slot_to_close(now).is_some()) {
            self.close_window(now);
        }
    }

    /// Closes the open window now.
    pub fn close_window(&mut self, now: Moment) {
        let Some(windows) = &mut self.windows else { return };
        let shares = self.rows.iter_mut().filter(|(_, row)| !row.open.golden.is_empty()).map(|(endpoint, row)| {
            let OpenShare { golden, seen } = std::mem::take(&mut row.open);
            WindowRow { endpoint: endpoint.clone(), is_file: row.is_file, golden, seen }
        });
        windows.close(shares.collect(), now);
    }

    /// Whether there are counts that the control plane keeps and has not yet acked as durable.
    pub fn has_undurable(&self) -> bool {
        let owes =
            |windows: &UnackedWindows| windows.held().len() > 0 || self.rows.values().any(|row| !row.open.golden.is_empty());
        self.windows.as_ref().is_some_and(|windows| windows.is_enabled() && owes(windows))
    }

    /// When the window at the mark ended, if known.
    pub fn mark_ended(&self) -> Option<Instant> {
        self.windows.as_ref().and_then(UnackedWindows::mark_ended)
    }

    /// Returns everything counted up to the mark: what is neither held nor in the open window.
    pub fn baseline(&self) -> Window {
        let (id, mut later) = self.windows.as_ref().map(|windows| (windows.numbers().mark, windows.sums())).unwrap_or_default();
        let rows = self.rows.iter().filter_map(|(endpoint, row)| {
            let mut later = later.remove(endpoint).unwrap_or_default();
            later.merge(&row.open.golden);
            let golden = row.total.since(&later);
            let reported = WindowRow { endpoint: endpoint.clone(), is_file: row.is_file, golden, seen: row.seen };
            (!reported.golden.is_empty()).then_some(reported)
        });
        Window { id, span: 1, kind: WindowKind::Baseline, rows: rows.collect() }
    }
}
