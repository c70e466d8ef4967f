//! The format of numbers and instants in the API: milliseconds to the microsecond, and RFC 3339.

use std::time::Duration;

use crate::api::problem::ProblemResponse;
use crate::model::window::QueryWindow;
use crate::query::snapshot::range;
use crate::query::snapshot::range::RANGE_MAX;

/// The longest window that can be requested.
pub(super) const WINDOW_MAX: Duration = RANGE_MAX;

/// Milliseconds, to three decimals.
pub(super) fn ms(us: f64) -> f64 {
    us.round() / 1000.0
}

/// A rate, to three decimals.
pub(super) fn rate(per_second: f64) -> f64 {
    (per_second * 1000.0).round() / 1000.0
}

pub(super) use format::time::instant;

/// Parses a window such as `5m`; none, or `all`, means everything that is known.
pub(super) fn window(text: Option<&str>) -> Result<QueryWindow, ProblemResponse> {
    let Some(text) = text.filter(|text| *text != "all") else { return Ok(QueryWindow::All) };
    let window = humantime::parse_duration(text).ok();
    match window.filter(|window| (Duration::from_secs(1)..=WINDOW_MAX).contains(window)) {
        Some(window) => Ok(QueryWindow::Last(window)),
        None => Err(ProblemResponse::parameter(format!("window={text}: it must be 1s to 90d, such as 5m, or all"))),
    }
}

/// Parses a window, or the time between two instants; the second defaults to now.
pub(super) fn window_or_range(
    asked: Option<&str>,
    from: Option<&str>,
    to: Option<&str>,
    now_ms: u64,
) -> Result<QueryWindow, ProblemResponse> {
    match range::asked(asked, from, to, now_ms, range::unix_ms).map_err(ProblemResponse::parameter)? {
        Some(range) => Ok(QueryWindow::Between(range)),
        None => window(asked),
    }
}

/// The name of a window, as it was requested.
pub(super) fn window_name(window: QueryWindow) -> String {
    match window {
        QueryWindow::All => "all".to_owned(),
        QueryWindow::Last(window) => humantime::format_duration(window).to_string().replace(' ', ""),
        QueryWindow::Between(range) => window_name(QueryWindow::Last(Duration::from_millis(range.length_ms()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::window::Range;

    #[test]
    fn instants_are_spelled_like_everybody_does() {
        assert_eq!(instant(1_763_647_661_042), "2025-11-20T14:07:41.042Z");
        assert!(instant(u64::MAX).starts_with("9999"));
    }

    #[test]
    fn a_range_is_two_instants_and_no_window() {
        let (now_ms, at) = (1_763_647_661_042, "2025-11-20T14:00:00Z");
        let range = |window, from, to| window_or_range(window, from, to, now_ms);
        let hour = QueryWindow::Between(Range { from_ms: 1_763_647_200_000, to_ms: now_ms });
        assert_eq!(range(None, Some(at), None).unwrap(), hour, "until now");
        assert_eq!(range(None, Some("1763647200000"), Some("2030-01-01T00:00:00Z")).unwrap(), hour, "there is no future");
        assert_eq!(range(Some("5m"), None, None).unwrap(), QueryWindow::Last(Duration::from_secs(300)));
        for (window, from, to) in [
            (Some("5m"), Some(at), None),
            (None, None, Some(at)),
            (None, Some(at), Some(at)),
            (None, Some("2030-01-01T00:00:00Z"), None),
            (None, Some("2025-01-01T00:00:00Z"), None),
            (None, Some("yesterday"), None),
            (None, Some("-1"), None),
        ] {
            assert!(range(window, from, to).is_err(), "{window:?} {from:?} {to:?}");
        }
    }

    #[test]
    fn windows_are_a_second_to_a_season() {
        assert_eq!(window(Some("5m")).unwrap(), QueryWindow::Last(Duration::from_secs(300)));
        assert_eq!(window(None).unwrap(), QueryWindow::All);
        assert_eq!(window_name(window(Some("90s")).unwrap()), "1m30s");
        assert!(["0s", "91d", "five", "-5m", ""].iter().all(|text| window(Some(text)).is_err()));
    }
}
