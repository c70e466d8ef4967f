//! Keeps the windows of a pod, in the order of their slots, until the control plane says that they are on disk.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::window::{SLOT_MAX, Window, WindowKind, WindowRow, slot_of};

/// Windows held at a time: half an hour of them, in which a control plane comes back or people have noticed.
/// What is older is told less finely, and none of it is lost.
pub const WINDOWS_MAX: usize = 180;

/// Rows of all windows held: 45 busy endpoints for half an hour, in about 8 MB. Over it, windows are put together sooner.
/// Those that a control plane may have on disk cannot be; they are [`IN_FLIGHT_MAX`] at most.
pub const ROWS_MAX: usize = 8192;

/// Windows that may be sent on a stream and not acked, whatever the control plane can take. So there is always
/// something left that can be put together.
pub const IN_FLIGHT_MAX: usize = 16;

/// The longest that a window stays open by the clock that nobody sets. A second more than a slot has, so that
/// a clock that goes right is the one that closes it.
const OPEN_MAX: Duration = Duration::from_secs(11);

/// One moment by both clocks of a machine.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the one that people set, milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// By the one that nobody sets.
    pub at: Instant,
}

/// The windows of one process that are not known to be durable.
#[derive(Debug, Default)]
pub struct Windows {
    held: VecDeque<Held>,
    open: Option<Open>,
    /// Rows of all windows held.
    rows: usize,
    /// The last slot of the last window that was closed.
    last: u64,
    /// The last slot that was handed to any stream. A window up to there may be on disk although no ack has come, so it
    /// stays as it is.
    handed: u64,
    /// The last slot that the reports of this stream cover.
    told: u64,
    /// When the window ended that is the mark.
    mark_ended: Option<Instant>,
    /// Windows that may be sent on this stream and not acked; 0 if the control plane keeps none.
    in_flight_max: usize,
    numbers: WindowNumbers,
}

/// What has become of windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowNumbers {
    /// The last slot that is known to be on disk; 0 if none is.
    pub mark: u64,
    /// Windows that are on disk.
    pub acked: u64,
    /// Windows that were put together with the one before them.
    pub merged: u64,
    /// Slots that were on disk once, and that an older copy of a control plane's store lacks: what was in them is lost.
    pub lost: u64,
}

/// The window that is being filled.
#[derive(Debug, Clone, Copy)]
struct Open {
    slot: u64,
    since: Instant,
}

/// A closed window.
#[derive(Debug)]
struct Held {
    window: Window,
    origin: Origin,
    /// When it was closed; `None` if it is older than this process can say.
    closed: Option<Instant>,
    lived: Lived,
    /// Endpoints of it that the ledger calls otherwise since it was handed over.
    renamed: BTreeMap<Endpoint, Endpoint>,
}

/// When a window began and ended by the monotonic clock, as far as that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lived {
    /// When it was opened; of several that were put together, the first.
    pub began: Option<Instant>,
    /// When it was closed; of several, the last.
    pub ended: Option<Instant>,
}

/// How a window came to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It was closed in its time.
    Closed,
    /// It is all that a store had which was lost.
    TakenBack,
}

impl Windows {
    /// The slot of the open window, if its time is over. The clock that people set only ever closes it by going forward.
    pub fn over(&mut self, now: Moment) -> Option<u64> {
        let slot = slot_of(now.unix_ms).min(SLOT_MAX);
        let open = *self.open.get_or_insert(Open { slot: slot.max(self.last + 1), since: now.at });
        let is_over = slot > open.slot || now.at.saturating_duration_since(open.since) >= OPEN_MAX;
        is_over.then_some(open.slot)
    }

    /// Closes the open window, which has counted this, and opens the next one. One that is empty is not kept.
    pub fn close(&mut self, rows: Vec<WindowRow>, now: Moment) {
        let slot = slot_of(now.unix_ms).min(SLOT_MAX);
        let id = self.open.map_or(slot.max(self.last + 1), |open| open.slot);
        if !rows.is_empty() {
            self.last = id;
            self.rows += rows.len();
            let window = Window::of_slot(id, rows);
            let lived = Lived { began: self.open.map(|open| open.since), ended: Some(now.at) };
            self.held.push_back(Held { window, origin: Origin::Closed, closed: Some(now.at), lived, renamed: BTreeMap::new() });
        }
        self.open = Some(Open { slot: slot.max(self.last + 1), since: now.at });
        while (self.held.len() > WINDOWS_MAX || self.rows > ROWS_MAX) && self.put_two_together() {}
    }

    /// Puts the two neighbours together that span the least, the oldest of those: so all of the past is told equally finely.
    fn put_two_together(&mut self) -> bool {
        let from = self.held.partition_point(|held| held.window.last_slot() <= self.handed);
        let spanned = |at: &usize| self.held[at + 1].window.last_slot().saturating_sub(self.held[*at].window.id);
        let Some(at) = (from..self.held.len().saturating_sub(1)).min_by_key(spanned) else { return false };
        let Some(next) = self.held.remove(at + 1) else { return false };
        self.held[at].window.append(next.window);
        self.held[at].lived.ended = next.lived.ended;
        self.numbers.merged += 1;
        self.count_rows();
        true
    }

    /// A new stream has begun, to a control plane that has everything up to this mark on disk, and takes so many windows
    /// before it acks any.
    pub fn begin_stream(&mut self, mark: u64, in_flight_max: usize) {
        self.told = 0;
        self.in_flight_max = in_flight_max.min(IN_FLIGHT_MAX);
        self.leave_what_is_back(mark);
        self.ack(mark);
    }

    /// A store that was lost is back as an older copy, with everything up to this mark. What was taken back meanwhile
    /// holds that, too, and cannot be divided; so it goes, and the slots that the copy lacks are counted as lost.
    fn leave_what_is_back(&mut self, mark: u64) {
        let is_partly_there = |held: &Held| held.origin == Origin::TakenBack && (1..held.window.last_slot()).contains(&mark);
        if let Some(back) = self.held.front().filter(|held| is_partly_there(held)) {
            self.numbers.lost += back.window.last_slot().saturating_sub(mark);
            (self.numbers.mark, self.mark_ended) = (mark, None);
            self.held.pop_front();
            self.count_rows();
        }
    }

    /// The control plane has less on disk than it had acked, because its store was lost. If nothing is left of this process,
    /// all that it knew is held again, as one window. How much of it an older copy of a store lacks cannot be known here;
    /// that is lost, and the slots are counted.
    pub fn take_back(&mut self, lost: Window, mark: u64) {
        let ended = self.mark_ended.take();
        self.numbers.mark = mark;
        if mark > 0 {
            self.numbers.lost += lost.id.saturating_sub(mark);
        } else if !lost.rows.is_empty() {
            let window = Window { kind: WindowKind::Change, ..lost };
            let lived = Lived { began: None, ended };
            self.held.push_front(Held { window, origin: Origin::TakenBack, closed: None, lived, renamed: BTreeMap::new() });
            self.count_rows();
        }
    }

    /// Whether the control plane that was heard of last keeps windows.
    pub fn are_wanted(&self) -> bool {
        self.in_flight_max > 0
    }

    /// A report of this stream covers everything up to now.
    pub fn reported(&mut self) {
        self.told = self.last;
    }

    /// Drops what is on disk. A control plane that speaks of what it was never sent is not believed.
    pub fn ack(&mut self, mark: u64) {
        let mark = mark.min(self.handed);
        let durable = self.held.partition_point(|held| held.window.last_slot() <= mark);
        for held in self.held.drain(..durable) {
            (self.numbers.mark, self.mark_ended) = (held.window.last_slot(), held.lived.ended);
            self.numbers.acked += 1;
        }
        self.count_rows();
    }

    /// Whether a window after the slot `sent`, the last that was sent on this stream, may be sent, and was closed so long
    /// ago.
    pub fn are_due(&self, sent: u64, now: Instant, held_back: Duration) -> bool {
        let is_due = |held: &Held| held.closed.is_none_or(|closed| now.saturating_duration_since(closed) >= held_back);
        self.next(sent).is_some_and(is_due)
    }

    /// The oldest window after the slot `sent`, about to be sent, if it may be: from now on it never changes.
    pub fn hand_over(&mut self, sent: u64) -> Option<(Window, Lived)> {
        let next = self.next(sent)?;
        let (window, lived) = (next.window.clone(), next.lived);
        self.handed = self.handed.max(window.last_slot());
        Some((window, lived))
    }

    /// When the window ended that is the mark, if that is known.
    pub fn mark_ended(&self) -> Option<Instant> {
        self.mark_ended
    }

    fn next(&self, sent: u64) -> Option<&Held> {
        let in_flight = self.held.partition_point(|held| held.window.last_slot() <= sent);
        let next = self.held.get(in_flight)?;
        (in_flight < self.in_flight_max && next.window.last_slot() <= self.told).then_some(next)
    }

    /// Endpoints are called otherwise from now on. What was handed over keeps the names that it was sent with.
    pub fn rename(&mut self, renamed: &BTreeMap<Endpoint, Endpoint>) {
        for held in &mut self.held {
            if held.window.last_slot() > self.handed {
                held.window.rename(|old| renamed.get(old).cloned());
            } else {
                held.rename(renamed);
            }
        }
        self.count_rows();
    }

    /// The sum of everything held, by the names that the ledger has for it now.
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

    /// What has become of windows so far.
    pub fn numbers(&self) -> WindowNumbers {
        self.numbers
    }

    fn count_rows(&mut self) {
        self.rows = self.held().map(|window| window.rows.len()).sum();
    }
}

impl Held {
    /// What the ledger calls an endpoint of this window now.
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
