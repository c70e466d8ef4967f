//! Keeps a sample of an endpoint's exchanges between two collections: newest, slowest, failures, first of each status.
//!
//! If a worker has more than [`NEWEST_MAX`] exchanges of an endpoint between two collections, about a second apart, it
//! keeps the newest. Of more than [`FAILED_MAX`] failures it keeps the newest too. The slowest of that second, and the
//! first ever of each status, are always kept.

use mesh::exchange::{Exchange, PATH_BYTES_MAX, REASON_BYTES_MAX, cut_path};

use crate::recorder::completed_exchange::CompletedExchange;

/// The newest kept between two collections, which are about a second apart.
pub const NEWEST_MAX: usize = 8;

/// The failures (5xx) kept in addition.
pub const FAILED_MAX: usize = 8;

/// Statuses whose first exchange is kept. A service rarely returns more than five to one endpoint.
const FIRSTS_MAX: usize = 8;

/// Reused buffers, so that keeping an exchange does not allocate.
#[derive(Debug, Default)]
pub struct RecentExchanges {
    newest: ExchangeRing<NEWEST_MAX>,
    failed: ExchangeRing<FAILED_MAX>,
    slowest: ExchangeRing<1>,
    firsts: ExchangeRing<FIRSTS_MAX>,
    statuses: SeenStatuses,
}

#[derive(Debug, Default)]
struct ExchangeRing<const N: usize> {
    kept: Vec<Exchange>,
    used: usize,
    next: usize,
}

/// The statuses seen so far, as many as there is room for.
#[derive(Debug, Default)]
struct SeenStatuses {
    seen: [u16; FIRSTS_MAX],
    used: usize,
}

impl RecentExchanges {
    /// Keeps an exchange, in place of an older or faster one.
    pub fn keep(&mut self, finished: &CompletedExchange<'_>) {
        if self.statuses.insert(finished.status) {
            self.firsts.keep(finished);
        } else if finished.status >= 500 && finished.rule.is_none() {
            self.failed.keep(finished);
        } else if self.slowest.is_empty() || finished.took_us > self.slowest.kept[0].took_us {
            // The previous slowest moves to the newest by a swap, so its buffer is reused for the new one.
            if let Some(slowest) = self.slowest.kept.first_mut().filter(|_| self.slowest.used > 0) {
                std::mem::swap(self.newest.place(), slowest);
            }
            self.slowest.keep(finished);
        } else {
            self.newest.keep(finished);
        }
    }

    /// Takes in what another has kept. The newest of both are kept as far as there is room.
    pub fn absorb(&mut self, other: &mut Self) {
        for exchange in other.take() {
            match exchange.status {
                500.. if exchange.rule.is_none() => self.failed.put(exchange),
                _ => self.newest.put(exchange),
            }
        }
    }

    /// Takes out everything kept, each exchange once.
    pub fn take(&mut self) -> Vec<Exchange> {
        let used = self.newest.used + self.failed.used + self.slowest.used + self.firsts.used;
        let mut taken = Vec::with_capacity(used);
        self.newest.take(&mut taken);
        self.failed.take(&mut taken);
        self.slowest.take(&mut taken);
        self.firsts.take(&mut taken);
        taken
    }
}

impl SeenStatuses {
    /// Adds a status, and returns whether it is new and there was room for it.
    fn insert(&mut self, status: u16) -> bool {
        let is_new = self.used < FIRSTS_MAX && !self.seen[..self.used].contains(&status);
        if is_new {
            self.seen[self.used] = status;
            self.used += 1;
        }
        is_new
    }
}

impl<const N: usize> ExchangeRing<N> {
    fn is_empty(&self) -> bool {
        self.used == 0
    }

    fn keep(&mut self, finished: &CompletedExchange<'_>) {
        write(self.place(), finished);
    }

    fn put(&mut self, exchange: Exchange) {
        *self.place() = exchange;
    }

    /// The buffer of the oldest, which becomes that of the newest.
    fn place(&mut self) -> &mut Exchange {
        let at = self.next;
        if at == self.kept.len() {
            self.kept.push(Exchange::default());
        }
        self.used = (self.used + 1).min(N);
        self.next = (at + 1) % N;
        &mut self.kept[at]
    }

    fn take(&mut self, into: &mut Vec<Exchange>) {
        into.extend(self.kept[..self.used].iter().cloned());
        (self.used, self.next) = (0, 0);
    }
}

/// Overwrites an exchange and reuses its buffers.
fn write(exchange: &mut Exchange, finished: &CompletedExchange<'_>) {
    exchange.started_ms = finished.started_ms;
    exchange.took_us = finished.took_us;
    exchange.first_byte_us = finished.service_began_us();
    exchange.status = finished.status;
    exchange.outcome = finished.outcome;
    exchange.bytes_in = finished.bytes_in;
    exchange.bytes_out = finished.bytes_out;
    exchange.caller = finished.caller;
    exchange.trace = finished.trace.map(|reported| reported.trace);
    over(&mut exchange.reason, &finished.reason[..finished.reason.floor_char_boundary(REASON_BYTES_MAX)]);
    over(&mut exchange.path, cut_path(finished.path, PATH_BYTES_MAX));
    match (&mut exchange.rule, finished.rule) {
        (Some(kept), Some(rule)) => over(kept, rule),
        (kept, rule) => *kept = rule.map(str::to_owned),
    }
}

impl From<&CompletedExchange<'_>> for Exchange {
    fn from(finished: &CompletedExchange<'_>) -> Self {
        let mut exchange = Self::default();
        write(&mut exchange, finished);
        exchange
    }
}

fn over(kept: &mut String, text: &str) {
    kept.clear();
    kept.push_str(text);
}

#[cfg(test)]
mod tests;
