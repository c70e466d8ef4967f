//! Selects the exchanges that a tap receives, up to its rate per second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mesh::endpoint::Endpoint;
use mesh::tap::{Sighting, Tap};

use crate::recorder::completed_exchange::CompletedExchange;
use crate::recorder::exchange_bus::ExchangeFilter;

/// One tap. The workers ask it about each exchange.
#[derive(Debug)]
pub struct TapPick {
    tap: Tap,
    /// Upper half: the current second. Lower half: the exchanges passed in that second.
    let_through: AtomicU64,
    over_rate: Arc<AtomicU64>,
}

impl TapPick {
    /// A new tap filter. It counts exchanges above the rate in `over_rate`.
    pub fn new(tap: Tap, over_rate: Arc<AtomicU64>) -> Self {
        Self { tap, let_through: AtomicU64::new(0), over_rate }
    }

    /// Whether one more exchange may pass in this second. If so, it is counted.
    fn has_room(&self, now_s: u32) -> bool {
        let pass = |passed: u64| {
            let (second, count) = ((passed >> 32) as u32, passed as u32);
            match count {
                // The clocks of two workers may differ a little. A past second is not started again.
                _ if now_s > second => Some(u64::from(now_s) << 32 | 1),
                count if count < self.tap.per_second_max => Some(passed + 1),
                _ => None,
            }
        };
        self.tap.per_second_max > 0 && self.let_through.fetch_update(Relaxed, Relaxed, pass).is_ok()
    }
}

impl ExchangeFilter for TapPick {
    type Record = Sighting;

    fn wants(&self, endpoint: &Endpoint, finished: &CompletedExchange<'_>) -> bool {
        if !self.tap.filter.holds(endpoint, finished.status) {
            return false;
        }
        let ended_s = (finished.started_ms + finished.took_us / 1000) / 1000;
        let has_room = self.has_room(ended_s as u32);
        if !has_room {
            self.over_rate.fetch_add(1, Relaxed);
        }
        has_room
    }

    fn record(&self, endpoint: &Endpoint, finished: &CompletedExchange<'_>) -> Sighting {
        Sighting { tap: self.tap.id, endpoint: endpoint.clone(), exchange: finished.into() }
    }
}

#[cfg(test)]
mod tests {
    use mesh::exchange::Outcome;
    use mesh::tap::Filter;

    use super::*;
    use crate::recorder::completed_exchange::Author;

    fn finished(at_ms: u64, status: u16) -> CompletedExchange<'static> {
        CompletedExchange {
            path: "/a",
            started_ms: at_ms,
            took_us: 0,
            first_byte_us: 0,
            status,
            author: Author::Service,
            reason: "",
            outcome: Outcome::Answered,
            bytes_in: 0,
            bytes_out: 0,
            rule: None,
            caller: None,
            trace: None,
        }
    }

    /// How many of these exchanges pass, and how many of the others exceeded the rate.
    fn wanted(status: &str, per_second_max: u32, exchanges: &[(u64, u16)]) -> (usize, u64) {
        let over_rate = Arc::<AtomicU64>::default();
        let tap = Tap { id: 1, filter: Filter::read("", "", status).unwrap(), per_second_max };
        let (pick, endpoint) = (TapPick::new(tap, Arc::clone(&over_rate)), Endpoint::named("GET", "/a").unwrap());
        let wanted = exchanges.iter().filter(|(at_ms, status)| pick.wants(&endpoint, &finished(*at_ms, *status))).count();
        (wanted, over_rate.load(Relaxed))
    }

    #[test]
    fn only_what_the_filter_holds_is_wanted_or_counted() {
        assert_eq!(wanted("5xx", 100, &[(7_000, 200), (7_000, 503), (7_000, 500), (7_000, 404)]), (2, 0));
    }

    #[test]
    fn no_more_than_the_rate_is_wanted_in_a_second() {
        let second = [(7_000, 200); 10];
        assert_eq!(wanted("", 3, &second), (3, 7));
        assert_eq!(wanted("", 3, &[&second[..], &[(8_000, 200); 2]].concat()), (5, 7), "another second");
        assert_eq!(wanted("", 0, &second), (0, 10));
    }

    #[test]
    fn a_clock_that_goes_back_lets_no_more_through() {
        assert_eq!(wanted("", 1, &[(9_000, 200), (8_000, 200), (9_500, 200)]), (1, 2));
    }
}
