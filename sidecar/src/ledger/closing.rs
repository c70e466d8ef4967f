//! Closes the ledger's windows in their time, and says what has gone into those that are durable.

use std::time::Instant;

use mesh::window::{Window, WindowKind, WindowRow};

use crate::ledger::windows::{Moment, Windows};
use crate::ledger::{Ledger, Share};

impl Ledger {
    /// Keeps windows from now on; what was counted before is in the first of them. Without a link nobody would take them.
    pub fn keep_windows(&mut self) {
        if self.windows.is_none() {
            self.windows = Some(Windows::default());
            for row in self.rows.values_mut() {
                row.open = Share { golden: row.total.clone(), seen: row.seen };
            }
        }
    }

    /// The windows that are kept, if any are.
    pub fn windows(&mut self) -> Option<&mut Windows> {
        self.windows.as_mut()
    }

    /// A new stream has begun, to a control plane that has everything up to this mark on disk, and takes so many windows
    /// before it acks any.
    pub fn begin_stream(&mut self, mark: u64, in_flight_max: usize) {
        let known = self.baseline();
        let Some(windows) = &mut self.windows else { return };
        if mark < known.id {
            windows.take_back(known, mark);
        }
        windows.begin_stream(mark, in_flight_max);
    }

    /// Closes the open window if its time is over. What the workers told just before still belongs to it: it was counted
    /// within the second before, of which nobody knows how much lies on which side.
    pub fn turn(&mut self, now: Moment) {
        if self.windows.as_mut().is_some_and(|windows| windows.over(now).is_some()) {
            self.close_window(now);
        }
    }

    /// Closes the open window now.
    pub fn close_window(&mut self, now: Moment) {
        let Some(windows) = &mut self.windows else { return };
        let shares = self.rows.iter_mut().filter(|(_, row)| !row.open.golden.is_empty()).map(|(endpoint, row)| {
            let Share { golden, seen } = std::mem::take(&mut row.open);
            WindowRow { endpoint: endpoint.clone(), is_file: row.is_file, golden, seen }
        });
        windows.close(shares.collect(), now);
    }

    /// Whether anything was counted that a control plane would keep, and has not said to be on disk.
    pub fn owes_windows(&self) -> bool {
        let owes = |windows: &Windows| windows.held().len() > 0 || self.rows.values().any(|row| !row.open.golden.is_empty());
        self.windows.as_ref().is_some_and(|windows| windows.are_wanted() && owes(windows))
    }

    /// When the window ended that is the mark, if that is known.
    pub fn mark_ended(&self) -> Option<Instant> {
        self.windows.as_ref().and_then(Windows::mark_ended)
    }

    /// Everything that was counted up to the mark: what is neither held nor in the open window.
    pub fn baseline(&self) -> Window {
        let (id, mut later) = self.windows.as_ref().map(|windows| (windows.numbers().mark, windows.sums())).unwrap_or_default();
        let rows = self.rows.iter().filter_map(|(endpoint, row)| {
            let mut later = later.remove(endpoint).unwrap_or_default();
            later.merge(&row.open.golden);
            let golden = row.total.since(&later);
            let told = WindowRow { endpoint: endpoint.clone(), is_file: row.is_file, golden, seen: row.seen };
            (!told.golden.is_empty()).then_some(told)
        });
        Window { id, span: 1, kind: WindowKind::Baseline, rows: rows.collect() }
    }
}
