//! Numbers and instants as the API spells them: milliseconds to the microsecond, and RFC 3339.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::problem::Problem;
use crate::snapshot::Window;

/// The longest window that can be asked for, which is as long as anything is kept unless somebody says otherwise.
pub(super) const WINDOW_MAX: Duration = Duration::from_secs(90 * 24 * 3600);

/// Milliseconds, to three decimals.
pub(super) fn ms(us: f64) -> f64 {
    us.round() / 1000.0
}

/// A rate, to three decimals.
pub(super) fn rate(per_second: f64) -> f64 {
    (per_second * 1000.0).round() / 1000.0
}

/// An instant, as in `2026-01-31T12:00:00.123Z`.
pub(super) fn instant(unix_ms: u64) -> String {
    let timestamp = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX);
    format!("{timestamp:.3}")
}

/// `5m` and the like; nothing, or `all`, is everything that is known.
pub(super) fn window(text: Option<&str>) -> Result<Window, Problem> {
    let Some(text) = text.filter(|text| *text != "all") else { return Ok(Window::All) };
    let window = humantime::parse_duration(text).ok();
    match window.filter(|window| (Duration::from_secs(1)..=WINDOW_MAX).contains(window)) {
        Some(window) => Ok(Window::Last(window)),
        None => Err(Problem::parameter(format!("window={text}: it must be 1s to 90d, such as 5m, or all"))),
    }
}

/// A window as it was asked for.
pub(super) fn window_name(window: Window) -> String {
    match window {
        Window::All => "all".to_owned(),
        Window::Last(window) => humantime::format_duration(window).to_string().replace(' ', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_spelled_like_everybody_does() {
        assert_eq!(instant(1_763_647_661_042), "2025-11-20T14:07:41.042Z");
        assert!(instant(u64::MAX).starts_with("9999"));
    }

    #[test]
    fn windows_are_a_second_to_a_season() {
        assert_eq!(window(Some("5m")).unwrap(), Window::Last(Duration::from_secs(300)));
        assert_eq!(window(None).unwrap(), Window::All);
        assert_eq!(window_name(window(Some("90s")).unwrap()), "1m30s");
        assert!(["0s", "91d", "five", "-5m", ""].iter().all(|text| window(Some(text)).is_err()));
    }
}
