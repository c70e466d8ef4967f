//! Estimates the control plane's clock from its messages and the monotonic clock. The pod's wall clock is never read.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proto::wire;

use crate::rulebook::TimedRule;

/// The time that the control plane sent last, and when it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ControlClock {
    sent_ms: u64,
    arrived: Instant,
}

impl ControlClock {
    /// Records a message sent at `sent_ms`; `None` for a control plane that does not send its time.
    pub(super) fn from_message(sent_ms: u64, arrived: Instant) -> Option<Self> {
        (sent_ms > 0).then_some(Self { sent_ms, arrived })
    }

    /// Reads the `date` of the response that began the stream, for a control plane that does not send its time. It has
    /// whole seconds, so a time limit counted from it ends up to a second late.
    pub(super) fn from_date(date: Option<&str>, arrived: Instant) -> Option<Self> {
        let date = httpdate::parse_http_date(date?).ok()?;
        let since_1970 = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        Self::from_message(since_1970.as_millis() as u64, arrived)
    }

    /// The estimated time at an instant, in milliseconds since the Unix epoch. It is late by the latency of the message.
    pub(super) fn at(self, at: Instant) -> u64 {
        self.sent_ms.saturating_add(at.saturating_duration_since(self.arrived).as_millis() as u64)
    }
}

/// The time limits of the rules in a message that has just arrived.
#[derive(Debug)]
pub(super) struct TimeLimits {
    clock: Option<ControlClock>,
    arrived: Instant,
    /// Times to live by rule, if the control plane sends any.
    ttls: HashMap<String, Duration>,
}

impl TimeLimits {
    /// The limits of a set of rules.
    pub(super) fn new(desired: &wire::Desired, clock: Option<ControlClock>, arrived: Instant) -> Self {
        let with_ttl = desired.put.iter().filter(|rule| rule.ttl_ms > 0);
        let ttls = with_ttl.map(|rule| (rule.id.clone(), Duration::from_millis(rule.ttl_ms.into()))).collect();
        Self { clock, arrived, ttls }
    }

    /// Sets for each rule the instant at which it expires.
    pub(super) fn set_on(&self, rules: &mut [TimedRule]) {
        for TimedRule { rule, lapses: at, .. } in rules {
            *at = lapses(rule.expires_ms, self.ttls.get(&rule.id).copied(), self.clock, self.arrived);
        }
    }
}

/// Returns when a rule that has just arrived expires: by its expiry on the control plane's clock or by its time to live,
/// whichever comes first. With neither a clock nor a time to live, the control plane has to end it.
fn lapses(expires_ms: Option<u64>, ttl: Option<Duration>, clock: Option<ControlClock>, now: Instant) -> Option<Instant> {
    let by_clock = expires_ms.zip(clock).map(|(expires_ms, clock)| expires_ms.saturating_sub(clock.at(now)));
    let remaining = by_clock.map(Duration::from_millis).into_iter().chain(ttl).min()?;
    now.checked_add(remaining)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT_MS: u64 = 1_763_647_200_000;

    #[test]
    fn a_rule_lapses_after_what_the_control_plane_has_left_of_it() {
        let now = Instant::now();
        let (clock, second) = (ControlClock::from_message(SENT_MS, now), Duration::from_secs(1));
        let expires_ms = Some(SENT_MS + 20_000);
        assert_eq!(lapses(expires_ms, None, clock, now), Some(now + 20 * second));
        assert_eq!(lapses(expires_ms, None, clock, now + 5 * second), Some(now + 20 * second), "the same instant");
        assert_eq!(lapses(expires_ms, Some(7 * second), clock, now), Some(now + 7 * second), "the earlier of the two");
        assert_eq!(lapses(Some(SENT_MS - 1), None, clock, now), Some(now), "over when it was sent");
        assert_eq!(lapses(None, None, clock, now), None);
        assert!(lapses(Some(u64::MAX), None, clock, now).is_none_or(|lapses| lapses > now + 3600 * second));
    }

    #[test]
    fn a_control_plane_that_sends_no_time_is_read_by_the_date_of_its_response() {
        let now = Instant::now();
        assert_eq!(ControlClock::from_message(0, now), None);
        let date = ControlClock::from_date(Some("Thu, 20 Nov 2025 14:00:00 GMT"), now).unwrap();
        assert_eq!(date.at(now + Duration::from_secs(2)), SENT_MS + 2000);
        assert_eq!(ControlClock::from_date(Some("soon"), now), None);
        assert_eq!(ControlClock::from_date(None, now), None);
        let ttl = Some(Duration::from_secs(9));
        assert_eq!(lapses(Some(5), ttl, None, now), ttl.map(|ttl| now + ttl), "never by the pod's own clock");
        assert_eq!(lapses(Some(5), None, None, now), None, "until the control plane ends it");
    }
}
