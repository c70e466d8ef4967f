//! When a request may be sent again: after what, how often, and within which budget.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use decorators::retry::{Retry, RetryOn};

use crate::decorator::sliding_window::SlidingWindow;

/// The period of the budget.
const PERIOD: Duration = Duration::from_secs(10);

/// Retries that a period always allows. An endpoint with few requests would else have none: of three requests, a fifth is
/// less than one.
const RETRIES_MIN: u64 = 10;

/// The longest wait before a retry.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The configuration of one decorator, and the budget that its requests share on all workers.
#[derive(Debug)]
pub struct RetryPolicy {
    config: Retry,
    /// Requests, and the retries among them.
    requests: Mutex<SlidingWindow>,
}

/// Why a request is not answered by the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCause {
    /// There is no connection.
    Connect,
    /// The connection or the stream ended without a response.
    Reset,
    /// The response has this status.
    Status(u16),
}

impl RetryPolicy {
    pub(super) fn new(config: Retry, now: Instant) -> Self {
        Self { config, requests: Mutex::new(SlidingWindow::new(PERIOD, now)) }
    }

    /// Counts a request, of which a share may be sent again.
    pub(super) fn count_request(&self, now: Instant) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).now(now).all += 1;
    }

    /// The wait before a request is sent again that was already sent again so often. `None` if it is not: the cause or the
    /// number does not allow it, the wait would end after the deadline, or the budget is spent.
    pub(super) fn next(&self, cause: RetryCause, before: u8, deadline: Option<Instant>, now: Instant) -> Option<Duration> {
        if before >= self.config.attempts || !self.covers(cause) {
            return None;
        }
        let doubled = self.config.backoff.0 * (1 << before);
        let backoff = doubled.min(BACKOFF_MAX).mul_f64(rand::random_range(0.5..=1.0));
        let is_in_time = deadline.is_none_or(|deadline| now + backoff < deadline);
        (is_in_time && self.take_from_budget(now)).then_some(backoff)
    }

    fn covers(&self, cause: RetryCause) -> bool {
        self.config.on.iter().any(|on| match (on, cause) {
            (RetryOn::Connect, RetryCause::Connect) | (RetryOn::Reset, RetryCause::Reset) => true,
            (RetryOn::Status(set), RetryCause::Status(status)) => set.contains(status),
            _ => false,
        })
    }

    fn take_from_budget(&self, now: Instant) -> bool {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = requests.sum(now);
        let most = (counts.all * u64::from(self.config.budget_percent) / 100).max(RETRIES_MIN);
        if counts.of_kind >= most {
            return false;
        }
        requests.now(now).of_kind += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str, now: Instant) -> RetryPolicy {
        RetryPolicy::new(serde_json::from_str(json).unwrap(), now)
    }

    #[test]
    fn only_what_is_named_is_sent_again_and_only_so_often() {
        let now = Instant::now();
        let policy = policy(r#"{"attempts": 2, "on": ["connect", "503"]}"#, now);
        let next = |cause, before| policy.next(cause, before, None, now).is_some();
        assert!(next(RetryCause::Connect, 0) && next(RetryCause::Status(503), 1));
        assert!(!next(RetryCause::Status(503), 2) && !next(RetryCause::Reset, 0) && !next(RetryCause::Status(502), 0));
    }

    #[test]
    fn waits_double_with_chance_and_end_before_the_deadline() {
        let now = Instant::now();
        let policy = policy(r#"{"attempts": 5, "backoff": "1s", "budget_percent": 100}"#, now);
        for (before, most) in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 5.0), (4, 5.0)] {
            let wait = policy.next(RetryCause::Reset, before, None, now).unwrap().as_secs_f64();
            assert!((most / 2.0..=most).contains(&wait), "{before}: {wait}");
        }
        assert_eq!(policy.next(RetryCause::Reset, 0, Some(now + Duration::from_millis(499)), now), None);
        assert!(policy.next(RetryCause::Reset, 0, Some(now + Duration::from_secs(2)), now).is_some());
        assert_eq!(policy.next(RetryCause::Reset, 0, Some(now), now), None);
    }

    #[test]
    fn an_outage_is_not_multiplied() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let policy = policy(r#"{"attempts": 5, "budget_percent": 20, "backoff": "0s"}"#, now);
        let retries = |requests: u64, at: Instant| {
            let retry = |_: &u64| {
                policy.count_request(at);
                policy.next(RetryCause::Reset, 0, None, at).is_some()
            };
            (0..requests).filter(retry).count()
        };
        assert_eq!(retries(5, now), 5, "few requests may all be sent again");
        assert_eq!(retries(995, now), 195, "then a fifth of all");
        assert_eq!(retries(5, at(5)), 1);
        assert_eq!(retries(5, at(60)), 5, "a minute later none of that counts");
    }
}
