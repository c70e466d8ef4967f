//! Keeps a few exchanges of an endpoint: the newest, the slowest, and those that failed.

use mesh::exchange::{Exchange, PATH_BYTES_MAX};

use crate::recorder::Finished;

/// The newest kept between two collections, which are about a second apart.
const NEWEST_MAX: usize = 8;

/// The failures (5xx) kept besides.
const FAILED_MAX: usize = 8;

/// Bytes of a reason phrase kept.
const REASON_BYTES_MAX: usize = 64;

/// Places that are written over again and again, so that keeping an exchange does not ask the allocator.
#[derive(Debug, Default)]
pub struct Recent {
    newest: Ring<NEWEST_MAX>,
    failed: Ring<FAILED_MAX>,
    slowest: Ring<1>,
}

#[derive(Debug, Default)]
struct Ring<const N: usize> {
    kept: Vec<Exchange>,
    used: usize,
    next: usize,
}

impl Recent {
    /// Keeps an exchange, in place of an older or faster one.
    pub fn keep(&mut self, finished: &Finished<'_>) {
        if finished.status >= 500 && finished.rule.is_none() {
            self.failed.keep(finished);
        } else if self.slowest.is_empty() || finished.took_us > self.slowest.kept[0].took_us {
            // The one that was the slowest stays among the newest, if it is still one of them.
            self.slowest.keep(finished);
        } else {
            self.newest.keep(finished);
        }
    }

    /// Takes out everything kept, each exchange once.
    pub fn take(&mut self) -> Vec<Exchange> {
        let mut taken = Vec::with_capacity(self.newest.used + self.failed.used + self.slowest.used);
        self.newest.take(&mut taken);
        self.failed.take(&mut taken);
        self.slowest.take(&mut taken);
        taken
    }
}

impl<const N: usize> Ring<N> {
    fn is_empty(&self) -> bool {
        self.used == 0
    }

    fn keep(&mut self, finished: &Finished<'_>) {
        if self.next == self.kept.len() {
            self.kept.push(Exchange::default());
        }
        write(&mut self.kept[self.next], finished);
        self.used = (self.used + 1).min(N);
        self.next = (self.next + 1) % N;
    }

    fn take(&mut self, into: &mut Vec<Exchange>) {
        into.extend(self.kept[..self.used].iter().cloned());
        (self.used, self.next) = (0, 0);
    }
}

/// Writes an exchange over another, whose room is used again.
pub fn write(exchange: &mut Exchange, finished: &Finished<'_>) {
    exchange.started_ms = finished.started_ms;
    exchange.took_us = finished.took_us;
    exchange.status = finished.status;
    exchange.bytes_in = finished.bytes_in;
    exchange.bytes_out = finished.bytes_out;
    copy(&mut exchange.reason, finished.reason, REASON_BYTES_MAX);
    let path = finished.path.split(['?', '#']).next().unwrap_or_default();
    copy(&mut exchange.path, path, PATH_BYTES_MAX);
    exchange.rule = finished.rule.map(str::to_owned);
}

fn copy(to: &mut String, from: &str, bytes_max: usize) {
    to.clear();
    to.push_str(&from[..from.floor_char_boundary(bytes_max)]);
}
