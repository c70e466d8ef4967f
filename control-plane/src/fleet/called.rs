//! Who has called one endpoint of one pod: since its process started, and in about the last minute.

use std::net::IpAddr;
use std::sync::Arc;

use mesh::callers::{Callers, Calls};

use crate::timeline::room::{Place, Room};
use crate::timeline::series::Series;

/// The length of a slot of what was lately.
const MINUTE_MS: u64 = 60_000;

/// The callers of one endpoint of one pod. When it is dropped, because the pod is forgotten or has a new process, its
/// series remembers them, as it does their hits.
#[derive(Debug)]
pub struct Called {
    series: Arc<Series>,
    total: Callers,
    /// The minute that is running, by its number since the Unix epoch.
    minute: u64,
    running: Callers,
    before: Callers,
    _place: Place,
}

/// What came from somebody.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Heard {
    /// All of it.
    pub calls: Calls,
    /// Requests of about the last minute: those of the running one, and of the one before as much as is less than a minute
    /// ago.
    pub lately: f64,
    /// Of those, failures.
    pub failed_lately: f64,
}

impl Called {
    /// Nobody yet, if there is room.
    pub fn new(series: Arc<Series>, room: &Arc<Room>) -> Option<Self> {
        let place = room.place()?;
        let (total, running, before) = (Callers::default(), Callers::default(), Callers::default());
        Some(Self { series, total, minute: 0, running, before, _place: place })
    }

    /// Adds those who have called since the report before.
    pub fn change(&mut self, callers: &Callers, now_ms: u64) {
        self.turn(now_ms);
        self.total.merge(callers);
        self.total.not_after(now_ms);
        self.running.merge(callers);
    }

    /// Puts all who have called this process in place of those known before.
    pub fn snapshot(&mut self, mut callers: Callers, now_ms: u64) {
        callers.not_after(now_ms);
        self.turn(now_ms);
        self.running.merge(&callers.since(&self.total));
        self.total = callers;
    }

    /// Adds those of another endpoint of the same pod, which is this one from now on.
    pub fn absorb(&mut self, mut other: Self) {
        let minute = self.minute.max(other.minute);
        self.turn(minute * MINUTE_MS);
        other.turn(minute * MINUTE_MS);
        self.total.merge(&std::mem::take(&mut other.total));
        self.running.merge(&other.running);
        self.before.merge(&other.before);
    }

    /// All who have called since the process started.
    pub fn total(&self) -> &Callers {
        &self.total
    }

    /// Shows each caller, perhaps more than once, with a part of what is known; `None` stands for all that are not told apart.
    pub fn each(&self, now_ms: u64, mut see: impl FnMut(Option<IpAddr>, Heard)) {
        show(&self.total, |address, calls| see(address, Heard { calls, ..Heard::default() }));
        let (running, before) = self.weights(now_ms);
        for (callers, weight) in [(&self.running, running), (&self.before, before)] {
            show(callers, |address, calls| {
                let (lately, failed_lately) = (calls.hits as f64 * weight, calls.failures as f64 * weight);
                see(address, Heard { calls: Calls::default(), lately, failed_lately });
            });
        }
    }

    /// How much of each slot is less than a minute ago.
    fn weights(&self, now_ms: u64) -> (f64, f64) {
        let left = 1.0 - (now_ms % MINUTE_MS) as f64 / MINUTE_MS as f64;
        match (now_ms / MINUTE_MS).saturating_sub(self.minute) {
            0 => (1.0, left),
            1 => (left, 0.0),
            _ => (0.0, 0.0),
        }
    }

    fn turn(&mut self, now_ms: u64) {
        let minute = now_ms / MINUTE_MS;
        match minute.saturating_sub(self.minute) {
            0 => return,
            1 => self.before = std::mem::take(&mut self.running),
            _ => (self.before, self.running) = (Callers::default(), Callers::default()),
        }
        self.minute = minute;
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        self.series.was_called_by(&self.total);
    }
}

impl Heard {
    /// Adds more of it.
    pub fn add(&mut self, more: Self) {
        self.calls.add(more.calls);
        self.lately += more.lately;
        self.failed_lately += more.failed_lately;
    }

    /// Its share of all requests.
    pub fn share_of(self, sum: Self) -> f64 {
        share(self.calls.hits as f64, sum.calls.hits as f64)
    }

    /// Its share of what was lately; of what was ever, if nothing was.
    pub fn share_lately_of(self, sum: Self) -> f64 {
        if sum.lately > 0.0 { share(self.lately, sum.lately) } else { self.share_of(sum) }
    }

    /// Its share of the failures there were lately; of all there ever were, if there were none.
    pub fn share_of_failures_in(self, sum: Self) -> f64 {
        if sum.failed_lately > 0.0 {
            share(self.failed_lately, sum.failed_lately)
        } else {
            share(self.calls.failures as f64, sum.calls.failures as f64)
        }
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Shows each row of a table.
pub fn show(callers: &Callers, mut see: impl FnMut(Option<IpAddr>, Calls)) {
    callers.named().for_each(|(address, calls)| see(Some(address), calls));
    if callers.others() != Calls::default() {
        see(None, callers.others());
    }
}

#[cfg(test)]
mod tests;
