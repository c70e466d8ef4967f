//! Caller statistics of one endpoint of one pod: since its process started, and over about the last minute.

use std::net::IpAddr;
use std::sync::Arc;

use mesh::callers::{Callers, Calls};

use crate::counts::timeline::quota::{CountQuota, QuotaPermit};
use crate::counts::timeline::series::Series;

/// Length of a slot of recent calls.
const MINUTE_MS: u64 = 60_000;

/// The callers of one endpoint of one pod. When it is dropped (pod forgotten, or new process), the
/// series keeps the callers, as it keeps their hits.
#[derive(Debug)]
pub struct EndpointCallers {
    series: Arc<Series>,
    total: Callers,
    /// The running minute, counted from the Unix epoch.
    minute: u64,
    /// `None` as long as all calls came in the running minute: then they are those of the total.
    running: Option<Callers>,
    before: Callers,
    _place: QuotaPermit,
}

/// Calls from one caller.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CallerCounts {
    /// Calls since the process started.
    pub calls: Calls,
    /// Requests of about the last minute: those of the running minute, and the share of the minute
    /// before that is less than a minute ago.
    pub recent: f64,
    /// Of those, failures.
    pub failed_lately: f64,
}

impl EndpointCallers {
    /// An empty table, if the quota has room.
    pub fn new(series: Arc<Series>, room: &Arc<CountQuota>) -> Option<Self> {
        let place = room.acquire()?;
        Some(Self { series, total: Callers::default(), minute: 0, running: None, before: Callers::default(), _place: place })
    }

    /// Adds the calls since the previous report.
    pub fn change(&mut self, callers: &Callers, now_ms: u64) {
        self.turn(now_ms);
        self.total.merge(callers);
        self.total.not_after(now_ms);
        if let Some(running) = &mut self.running {
            running.merge(callers);
        }
    }

    /// Replaces the totals with those of a snapshot. The difference counts as recent.
    pub fn snapshot(&mut self, mut callers: Callers, now_ms: u64) {
        callers.not_after(now_ms);
        self.turn(now_ms);
        if let Some(running) = &mut self.running {
            running.merge(&callers.since(&self.total));
        }
        self.total = callers;
    }

    /// Merges another endpoint of the same pod, which has become this one.
    pub fn merge(&mut self, mut other: Self) {
        let minute = self.minute.max(other.minute);
        self.turn(minute * MINUTE_MS);
        other.turn(minute * MINUTE_MS);
        let running = self.running.get_or_insert_with(|| self.total.clone());
        running.merge(other.running.as_ref().unwrap_or(&other.total));
        self.total.merge(&std::mem::take(&mut other.total));
        self.before.merge(&other.before);
    }

    /// All callers since the process started.
    pub fn total(&self) -> &Callers {
        &self.total
    }

    /// Visits each caller, perhaps more than once, each time with a part of its numbers. `None` is
    /// the sum of the callers without a row of their own.
    pub fn each(&self, now_ms: u64, mut see: impl FnMut(Option<IpAddr>, CallerCounts)) {
        show(&self.total, |address, calls| see(address, CallerCounts { calls, ..CallerCounts::default() }));
        let (running, before) = self.weights(now_ms);
        for (callers, weight) in [(self.running.as_ref().unwrap_or(&self.total), running), (&self.before, before)] {
            show(callers, |address, calls| {
                let (recent, failed_lately) = (calls.hits as f64 * weight, calls.failures as f64 * weight);
                see(address, CallerCounts { calls: Calls::default(), recent, failed_lately });
            });
        }
    }

    /// The share of each slot that is less than a minute ago.
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
            _ if self.total.is_empty() => {}
            1 => self.before = self.running.replace(Callers::default()).unwrap_or_else(|| self.total.clone()),
            _ => (self.before, self.running) = (Callers::default(), Some(Callers::default())),
        }
        self.minute = minute;
    }
}

impl Drop for EndpointCallers {
    fn drop(&mut self) {
        self.series.add_past_callers(&self.total);
    }
}

impl CallerCounts {
    /// Adds more calls.
    pub fn add(&mut self, more: Self) {
        self.calls.add(more.calls);
        self.recent += more.recent;
        self.failed_lately += more.failed_lately;
    }

    /// Share of all requests.
    pub fn share_of(self, sum: Self) -> f64 {
        share(self.calls.hits as f64, sum.calls.hits as f64)
    }

    /// Share of recent requests; of all requests, if none are recent.
    pub fn share_lately_of(self, sum: Self) -> f64 {
        if sum.recent > 0.0 { share(self.recent, sum.recent) } else { self.share_of(sum) }
    }

    /// Share of recent failures; of all failures, if none are recent.
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

/// Visits each row of a caller table.
pub fn show(callers: &Callers, mut see: impl FnMut(Option<IpAddr>, Calls)) {
    callers.named().for_each(|(address, calls)| see(Some(address), calls));
    if callers.others() != Calls::default() {
        see(None, callers.others());
    }
}

#[cfg(test)]
mod tests;
