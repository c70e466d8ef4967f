//! Parses a time range from URL parameters, in one place for the API and the dashboard.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::window::Range;

/// The longest range that can be requested: the store keeps 90 days unless it is configured
/// otherwise.
pub const RANGE_MAX: Duration = Duration::from_secs(90 * 24 * 3600);

/// The last millisecond of the year 9999, the limit of RFC 3339.
const UNIX_MS_MAX: u64 = 253_402_300_799_999;

/// The range of `from` and `to`; `to` is now by default. `None` without both. The error says what
/// to write.
pub fn asked(
    window: Option<&str>,
    from: Option<&str>,
    to: Option<&str>,
    now_ms: u64,
    instant: impl Fn(&str) -> Option<u64>,
) -> Result<Option<Range>, String> {
    let Some(from) = from else {
        return to.map_or(Ok(None), |to| Err(format!("to={to}: it needs from, the beginning of the range")));
    };
    if let Some(window) = window {
        return Err(format!("window={window}: give a window, or from and to, but not both"));
    }
    let parse = |name: &str, text: &str| {
        instant(text)
            .ok_or_else(|| format!("{name}={text}: it must be an instant such as 2026-01-31T12:00:00Z, or Unix milliseconds"))
    };
    let from_ms = parse("from", from)?;
    let to_ms = to.map(|to| parse("to", to)).transpose()?.unwrap_or(now_ms).min(now_ms);
    let range = Range { from_ms, to_ms };
    if range.length_ms() == 0 {
        return Err(format!("from={from}: it must be before to, and before now"));
    }
    if range.length_ms() > RANGE_MAX.as_millis() as u64 {
        return Err(format!("from={from}: the range is longer than 90d, the most that is kept"));
    }
    Ok(Some(range))
}

/// An instant in RFC 3339, or milliseconds since the Unix epoch.
pub fn unix_ms(text: &str) -> Option<u64> {
    let instant = || text.parse::<Timestamp>().ok().and_then(|instant| u64::try_from(instant.as_millisecond()).ok());
    text.parse().ok().filter(|ms| *ms <= UNIX_MS_MAX).or_else(instant)
}
