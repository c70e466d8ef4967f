//! Keeps the windows of a pod, ordered by slot, until the control plane acks that they are on disk.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::window::{SLOT_MAX, Window, WindowKind, WindowRow, slot_of};

/// Windows held at a time: half an hour, enough for a control plane to come back or for people to notice. Older windows
/// are merged to a coarser resolution; no count is lost.
pub const WINDOWS_MAX: usize = 180;

/// Rows of all windows held: 45 busy endpoints for half an hour, in about 8 MB. Above it, windows are merged sooner.
/// Windows that a control plane may have on disk cannot be merged; there are at most [`IN_FLIGHT_MAX`] of them.
pub const ROWS_MAX: usize = 8192;

/// Windows sent on a stream without an ack, whatever the control plane accepts. It is low enough that some windows can
/// always be merged.
pub const IN_FLIGHT_MAX: usize = 16;

/// The longest time that a window stays open by the monotonic clock. It is one second longer than a slot, so that a
/// correct wall clock closes the window first.
const OPEN_MAX: Duration = Duration::from_secs(11);

/// One instant by both clocks of a machine.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The wall clock, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// The monotonic clock.
    pub at: Instant,
}

/// The windows of one process that are not known to be durable.
#[derive(Debug, Default)]
pub struct UnackedWindows {
    held: VecDeque<ClosedWindow>,
    open: Option<OpenWindow>,
    /// Rows of all windows held.
    rows: usize,
    /// The last slot of the last closed window.
    last: u64,
    /// The last slot handed to any stream. Windows up to it may be on disk without an ack, so they never change.
    last_sent_slot: u64,
    /// The last slot that the reports of this stream cover.
    received: u64,
    /// When the window at the mark ended.
    mark_ended: Option<Instant>,
    /// Windows that may be sent on this stream without an ack; 0 if the control plane keeps none.
    in_flight_max: usize,
    numbers: WindowNumbers,
}

/// Counters of acked, merged and lost windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowNumbers {
    /// The last slot that is known to be on disk; 0 if none is.
    pub mark: u64,
    /// Windows that are on disk.
    pub acked: u64,
    /// Windows that were merged into the one before them.
    pub merged: u64,
    /// Slots that were on disk once and are missing in an older copy of the store: their counts are lost.
    pub lost: u64,
}

/// The window that is being filled.
#[derive(Debug, Clone, Copy)]
struct OpenWindow {
    slot: u64,
    since: Instant,
}

/// A closed window.
#[derive(Debug)]
struct ClosedWindow {
    window: Window,
    origin: WindowOrigin,
    /// When it was closed; `None` if it is older than this process can say.
    closed: Option<Instant>,
    lived: Lived,
    /// Endpoints of it that the ledger has renamed since it was handed over.
    renamed: BTreeMap<Endpoint, Endpoint>,
}

/// When a window began and ended by the monotonic clock, as far as known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lived {
    /// When it was opened; for merged windows, the first.
    pub began: Option<Instant>,
    /// When it was closed; for merged windows, the last.
    pub ended: Option<Instant>,
}

/// How a window came to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WindowOrigin {
    /// It was closed on time.
    Closed,
    /// It contains everything that a lost store had.
    FromLostStore,
}

impl UnackedWindows {
    /// The slot of the open window, if its time is over. The wall clock closes it only by moving forward.
    pub fn slot_to_close(&mut self, now: Moment) -> Option<u64> {
        let slot = slot_of(now.unix_ms).min(SLOT_MAX);
        let open = *self.open.get_or_insert(OpenWindow { slot: slot.max(self.last + 1), since: now.at });
        let is_over = slot > open.slot || now.at.saturating_duration_since(open.since) >= OPEN_MAX;
        is_over.then_some(open.slot)
    }

    /// Closes the open window with these rows, and opens the next one. An empty window is not kept.
    pub fn close(&mut self, rows: Vec<WindowRow>, now: Moment) {
        let slot = slot_of(now.unix_ms).min(SLOT_MAX);
        let id = self.open.map_or(slot.max(self.last + 1), |open| open.slot);
        if !rows.is_empty() {
            self.last = id;
            self.rows += rows.len();
            let window = Window::from_slot(id, rows);
            let lived = Lived { began: self.open.map(|open| open.since), ended: Some(now.at) };
            self.held.push_back(ClosedWindow {
                window,
                origin: WindowOrigin::Closed,
                closed: Some(now.at),
                lived,
                renamed: BTreeMap::new(),
            });
        }
        self.open = Some(OpenWindow { slot: slot.max(self.last + 1), since: now.at });
        while (self.held.len() > WINDOWS_MAX || self.rows > ROWS_MAX) && self.merge_neighbours() {}
    }

    /// Merges the two neighbours that span the least, the oldest such pair: so the whole past has the same resolution.
    fn merge_neighbours(&mut self) -> bool {
        let from = self.held.partition_point(|held| held.window.last_slot() <= self.last_sent_slot);
        let spanned = |at: &usize| self.held[at + 1].window.last_slot().saturating_sub(self.held[*at].window.id);
        let Some(at) = (from..self.held.len().saturating_sub(1)).min_by_key(spanned) else { return false };
        let Some(next) = self.held.remove(at + 1) else { return false };
        self.held[at].window.append(next.window);
        self.held[at].lived.ended = next.lived.ended;
        self.numbers.merged += 1;
        self.count_rows();
        true
    }

    /// Starts a new stream to a control plane that has everything up to `mark` on disk and accepts at most
    /// `in_flight_max` windows without an ack.
    pub fn begin_stream(&mut self, mark: u64, in_flight_max: usize) {
        self.received = 0;
        self.in_flight_max = in_flight_max.min(IN_FLIGHT_MAX);
        self.drop_restored(mark);
        self.ack(mark);
    }

    /// Handles a lost store that is restored from an older copy, with everything up to `mark`. The window taken back
    /// meanwhile contains that part too and cannot be divided. So it is dropped, and the slots that the copy lacks are
    /// counted as lost.
    fn drop_restored(&mut self, mark: u64) {
        let is_partly_there =
            |held: &ClosedWindow| held.origin == WindowOrigin::FromLostStore && (1..held.window.last_slot()).contains(&mark);
        if let Some(back) = self.held.front().filter(|held| is_partly_there(held)) {
            self.numbers.lost += back.window.last_slot().saturating_sub(mark);
            (self.numbers.mark, self.mark_ended) = (mark, None);
            self.held.pop_front();
            self.count_rows();
        }
    }

    /// Handles a control plane with less on disk than it had acked, because its store was lost. If it has nothing of
    /// this process, everything known is held again, as one window. If it is an older copy, the missing part cannot be
    /// computed here: it is lost, and its slots are counted.
    pub fn restore(&mut self, lost: Window, mark: u64) {
        let ended = self.mark_ended.take();
        self.numbers.mark = mark;
        if mark > 0 {
            self.numbers.lost += lost.id.saturating_sub(mark);
        } else if !lost.rows.is_empty() {
            let window = Window { kind: WindowKind::Change, ..lost };
            let lived = Lived { began: None, ended };
            self.held.push_front(ClosedWindow {
                window,
                origin: WindowOrigin::FromLostStore,
                closed: None,
                lived,
                renamed: BTreeMap::new(),
            });
            self.count_rows();
        }
    }

    /// Whether the last connected control plane keeps windows.
    pub fn is_enabled(&self) -> bool {
        self.in_flight_max > 0
    }

    /// Notes that a report of this stream covers everything up to now.
    pub fn reported(&mut self) {
        self.received = self.last;
    }

    /// Drops windows that are on disk. An ack beyond what was ever sent is clamped.
    pub fn ack(&mut self, mark: u64) {
        let mark = mark.min(self.last_sent_slot);
        let durable = self.held.partition_point(|held| held.window.last_slot() <= mark);
        for held in self.held.drain(..durable) {
            (self.numbers.mark, self.mark_ended) = (held.window.last_slot(), held.lived.ended);
            self.numbers.acked += 1;
        }
        self.count_rows();
    }

    /// Whether the next window after the slot `sent`, the last one sent on this stream, may be sent and was closed at
    /// least `held_back` ago.
    pub fn has_due(&self, sent: u64, now: Instant, held_back: Duration) -> bool {
        let is_due = |held: &ClosedWindow| held.closed.is_none_or(|closed| now.saturating_duration_since(closed) >= held_back);
        self.next(sent).is_some_and(is_due)
    }

    /// Returns the oldest window after the slot `sent` for sending, if it may be sent. From now on it never changes.
    pub fn hand_over(&mut self, sent: u64) -> Option<(Window, Lived)> {
        let next = self.next(sent)?;
        let (window, lived) = (next.window.clone(), next.lived);
        self.last_sent_slot = self.last_sent_slot.max(window.last_slot());
        Some((window, lived))
    }

    /// When the window at the mark ended, if known.
    pub fn mark_ended(&self) -> Option<Instant> {
        self.mark_ended
    }

    fn next(&self, sent: u64) -> Option<&ClosedWindow> {
        let in_flight = self.held.partition_point(|held| held.window.last_slot() <= sent);
        let next = self.held.get(in_flight)?;
        (in_flight < self.in_flight_max && next.window.last_slot() <= self.received).then_some(next)
    }

    /// Renames endpoints. Windows that were handed over keep the names that they were sent with.
    pub fn rename(&mut self, renamed: &BTreeMap<Endpoint, Endpoint>) {
        for held in &mut self.held {
            if held.window.last_slot() > self.last_sent_slot {
                held.window.rename(|old| renamed.get(old).cloned());
            } else {
                held.rename(renamed);
            }
        }
        self.count_rows();
    }

    /// The sum of everything held, by the ledger's current names.
    pub fn sums(&self) -> BTreeMap<Endpoint, GoldenMetrics> {
        let mut sums = BTreeMap::<Endpoint, GoldenMetrics>::new();
        for held in &self.held {
            for row in &held.window.rows {
                sums.entry(held.name(&row.endpoint).clone()).or_default().merge(&row.golden);
            }
        }
        sums
    }

    /// The windows held, oldest first.
    pub fn held(&self) -> impl ExactSizeIterator<Item = &Window> {
        self.held.iter().map(|held| &held.window)
    }

    /// The counters so far.
    pub fn numbers(&self) -> WindowNumbers {
        self.numbers
    }

    fn count_rows(&mut self) {
        self.rows = self.held().map(|window| window.rows.len()).sum();
    }
}

impl ClosedWindow {
    /// The ledger's current name of an endpoint of this window.
    fn name<'a>(&'a self, endpoint: &'a Endpoint) -> &'a Endpoint {
        self.renamed.get(endpoint).unwrap_or(endpoint)
    }

    fn rename(&mut self, renamed: &BTreeMap<Endpoint, Endpoint>) {
        for at in 0..self.window.rows.len() {
            let endpoint = &self.window.rows[at].endpoint;
            if let Some(new) = renamed.get(self.name(endpoint)) {
                self.renamed.insert(endpoint.clone(), new.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
