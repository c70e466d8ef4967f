//! Keeps the notable exchanges of an endpoint: the newest, the slowest, the failures, the first of each status.

use std::cmp::Reverse;
use std::sync::Arc;

use mesh::exchange::Exchange;

use crate::resources::Machine;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct HistoryLimits {
    /// The newest, of any kind.
    pub newest: usize,
    /// The slowest.
    pub slowest: usize,
    /// The newest of the service's own 5xx.
    pub failures: usize,
    /// Statuses whose first exchange is kept.
    pub firsts: usize,
    /// Bytes of everything together.
    pub bytes: usize,
}

/// An exchange, and the state of the machine when it was collected.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The exchange.
    pub exchange: Exchange,
    /// One measurement, shared by all exchanges of its second.
    pub machine: Arc<Machine>,
}

/// The exchanges of one endpoint, oldest first.
#[derive(Debug)]
pub struct EndpointHistory {
    limits: HistoryLimits,
    kept: Vec<HistoryEntry>,
    statuses: Vec<u16>,
}

#[derive(Debug)]
struct HistoryEntry {
    remembered: Remembered,
    is_first: bool,
    worth: Worth,
}

/// Why an exchange is kept, which decides the order of eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// It is one of the newest.
    Recent,
    /// It is one of the slowest, a failure, or the first of its status.
    Notable,
}

impl EndpointHistory {
    /// An empty history.
    pub fn new(limits: HistoryLimits) -> Self {
        Self { limits, kept: Vec::new(), statuses: Vec::new() }
    }

    /// Adds exchanges, and evicts those that are no longer notable.
    pub fn keep(&mut self, mut exchanges: Vec<Remembered>) {
        exchanges.sort_by_key(|remembered| remembered.exchange.started_ms);
        for remembered in exchanges {
            let status = remembered.exchange.status;
            let is_first = self.statuses.len() < self.limits.firsts && !self.statuses.contains(&status);
            if is_first {
                self.statuses.push(status);
            }
            self.kept.push(HistoryEntry { remembered, is_first, worth: Worth::Recent });
        }
        self.forget();
    }

    /// The kept exchanges, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Remembered> {
        self.kept.iter().map(|kept| &kept.remembered)
    }

    /// Lowers or raises the byte limit, and evicts what exceeds it.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.limits.bytes = bytes;
        self.fit();
    }

    /// Takes everything out, oldest first.
    pub fn take(&mut self) -> Vec<Remembered> {
        self.kept.drain(..).map(|kept| kept.remembered).collect()
    }

    fn forget(&mut self) {
        let mut slowest: Vec<usize> = (0..self.kept.len()).collect();
        slowest.sort_by_key(|at| Reverse(self.kept[*at].remembered.exchange.took_us));
        slowest.truncate(self.limits.slowest);
        let is_failure = |at: &usize| self.kept[*at].is_failure();
        let failures: Vec<usize> = (0..self.kept.len()).rev().filter(is_failure).take(self.limits.failures).collect();

        let newest_from = self.kept.len().saturating_sub(self.limits.newest);
        let mut at = 0;
        self.kept.retain_mut(|kept| {
            let is_notable = kept.is_first || slowest.contains(&at) || failures.contains(&at);
            kept.worth = if is_notable { Worth::Notable } else { Worth::Recent };
            at += 1;
            is_notable || at > newest_from
        });
        self.fit();
    }

    /// Bytes of all kept exchanges.
    pub fn bytes(&self) -> usize {
        self.kept.iter().map(HistoryEntry::bytes).sum()
    }

    /// Evicts the oldest until the rest fits; those that are only recent go first.
    fn fit(&mut self) {
        let mut bytes = self.bytes();
        while bytes > self.limits.bytes {
            let oldest = self.kept.iter().position(|kept| kept.worth == Worth::Recent).unwrap_or(0);
            bytes -= self.kept.remove(oldest).bytes();
        }
    }
}

impl HistoryEntry {
    /// A rule's own 503 is not a failure of the service.
    fn is_failure(&self) -> bool {
        self.remembered.exchange.status >= 500 && self.remembered.exchange.rule.is_none()
    }

    fn bytes(&self) -> usize {
        let exchange = &self.remembered.exchange;
        let texts = exchange.path.len() + exchange.reason.len() + exchange.rule.as_ref().map_or(0, String::len);
        size_of::<Self>() + texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HistoryLimits = HistoryLimits { newest: 3, slowest: 1, failures: 2, firsts: 2, bytes: 16 * 1024 };

    fn exchange(started_ms: u64, status: u16, took_us: u64) -> Remembered {
        let exchange = Exchange { started_ms, status, took_us, path: "/".into(), ..Exchange::default() };
        Remembered { exchange, machine: Arc::default() }
    }

    fn started(history: &EndpointHistory) -> Vec<u64> {
        history.iter().map(|remembered| remembered.exchange.started_ms).collect()
    }

    #[test]
    fn what_matters_outlives_what_is_merely_older() {
        let mut history = EndpointHistory::new(LIMITS);
        history.keep(vec![exchange(1, 200, 5), exchange(2, 200, 900), exchange(3, 404, 5), exchange(4, 500, 5)]);
        history.keep((5..50).map(|at| exchange(at, 200, 5)).collect());
        assert_eq!(started(&history), [1, 2, 3, 4, 47, 48, 49], "first 200, slowest, first 404, failure, the newest");
    }

    #[test]
    fn only_the_newest_failures_are_kept_and_a_rules_answers_are_none() {
        let mut history = EndpointHistory::new(HistoryLimits { firsts: 0, slowest: 0, ..LIMITS });
        history.keep((1..=5).map(|at| exchange(at, 503, 5)).collect());
        let mut by_rule = exchange(6, 503, 5);
        by_rule.exchange.rule = Some("r1".into());
        history.keep(vec![by_rule]);
        history.keep((7..10).map(|at| exchange(at, 200, 5)).collect());
        assert_eq!(started(&history), [4, 5, 7, 8, 9]);
    }

    #[test]
    fn exchanges_of_several_workers_come_out_in_the_order_of_time() {
        let mut history = EndpointHistory::new(LIMITS);
        history.keep(vec![exchange(2, 200, 5), exchange(1, 200, 5)]);
        assert_eq!(started(&history), [1, 2]);
        assert_eq!(history.take().len(), 2);
        assert_eq!(history.take().len(), 0);
    }

    #[test]
    fn long_paths_push_the_oldest_out() {
        let mut history = EndpointHistory::new(HistoryLimits { newest: 100, bytes: 4096, ..LIMITS });
        let long = |at| {
            let mut remembered = exchange(at, 200, 5);
            remembered.exchange.path = "/".repeat(256);
            remembered
        };
        history.keep((0..100).map(long).collect());
        assert!(history.bytes() <= 4096);
        assert_eq!(started(&history).last(), Some(&99));
        assert_eq!(started(&history).first(), Some(&0), "the first of its status outlives those that are merely recent");
        history.shrink_to(1024);
        assert!(history.bytes() <= 1024);
        assert!(started(&history).contains(&0));
        history.shrink_to(0);
        assert_eq!(history.kept.len(), 0);
    }
}
