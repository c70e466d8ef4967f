//! Converts and formats the API's timestamps: age, duration, remaining time, and time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use format::{number, time};
use jiff::Timestamp;

/// This machine's clock in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Parses an RFC 3339 timestamp to milliseconds since the Unix epoch.
pub(crate) fn unix_ms(instant: &str) -> Option<u64> {
    let timestamp: Timestamp = instant.parse().ok()?;
    u64::try_from(timestamp.as_millisecond()).ok()
}

/// The age of an instant: `3 s`, `now`; a dash if there is none.
pub(crate) fn ago(instant: Option<&str>, now_ms: u64) -> String {
    let then_ms = instant.and_then(unix_ms);
    then_ms.map_or_else(|| number::MISSING.to_owned(), |then_ms| time::age(now_ms.saturating_sub(then_ms)))
}

/// The duration since an instant: `42 min`; a dash if there is none.
pub(crate) fn lasting(since: Option<&str>, now_ms: u64) -> String {
    let since_ms = since.and_then(unix_ms);
    since_ms.map_or_else(|| number::MISSING.to_owned(), |since_ms| time::span(now_ms.saturating_sub(since_ms)))
}

/// The time until an instant: `42 min`; a dash if there is none.
pub(crate) fn left(until: Option<&str>, now_ms: u64) -> String {
    let until_ms = until.and_then(unix_ms);
    until_ms.map_or_else(|| number::MISSING.to_owned(), |until_ms| time::left(until_ms.saturating_sub(now_ms)))
}

/// Date and time in UTC: `2026-11-21 14:07:41`.
pub(crate) fn date_and_time(instant: &str) -> String {
    let timestamp = instant.parse::<Timestamp>();
    timestamp.map_or_else(|_| instant.to_owned(), |timestamp| timestamp.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_relative_to_now() {
        let then = "2025-11-20T14:07:41.042Z";
        let now_ms = unix_ms(then).unwrap() + 90_000;
        assert_eq!(ago(Some(then), now_ms), "1 min");
        assert_eq!(ago(None, now_ms), "–");
        assert_eq!(lasting(Some(then), now_ms), "1 min");
        assert_eq!(left(Some("2025-11-20T15:09:00Z"), now_ms), "1 h");
        assert_eq!(date_and_time(then), "2025-11-20 14:07:41");
        assert_eq!(date_and_time("never"), "never");
    }
}
