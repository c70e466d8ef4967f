//! Durations, ages and instants as people read them.

use jiff::Timestamp;

/// How long ago something was: `now`, `3 s`, `2 min`, `5 h`, `31 d`.
pub fn age(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..2 => "now".into(),
        2..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h", s / 3600),
        _ => format!("{} d", s / 86_400),
    }
}

/// How long something takes or has taken: `12 s`, `42 min`, `19 h 02 min`, `24 h`, `7 d`, `31 d 7 h`.
pub fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..=86_400 if s.is_multiple_of(3600) => format!("{} h", s / 3600),
        3600..86_400 => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
        _ if s % 86_400 < 3600 => format!("{} d", s / 86_400),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// The offset between two clocks, rounded to the nearest second.
pub fn apart(ms: u64) -> String {
    span(ms.saturating_add(500) / 1000 * 1000)
}

/// A remaining time, rounded up to minutes, so that an hour does not become 59 minutes after its first second.
pub fn left(ms: u64) -> String {
    span(if ms < 60_000 { ms } else { ms.next_multiple_of(60_000) })
}

/// The time of day, UTC: `14:07:41`.
pub fn clock(unix_ms: u64) -> String {
    timestamp(unix_ms).strftime("%H:%M:%S").to_string()
}

/// The time of day to the minute, UTC: `14:07`.
pub fn minute(unix_ms: u64) -> String {
    timestamp(unix_ms).strftime("%H:%M").to_string()
}

/// The time of day to the millisecond, UTC: `14:07:41.126`.
pub fn clock_ms(unix_ms: u64) -> String {
    timestamp(unix_ms).strftime("%H:%M:%S%.3f").to_string()
}

/// The day, UTC: `20 November 2026`.
pub fn day(unix_ms: u64) -> String {
    timestamp(unix_ms).strftime("%-d %B %Y").to_string()
}

/// The day and the time of day in short, UTC: `20 Nov 14:07`.
pub fn day_and_time(unix_ms: u64) -> String {
    timestamp(unix_ms).strftime("%-d %b %H:%M").to_string()
}

/// The instant in RFC 3339, for `<time datetime>` and files; always with milliseconds, as in the API.
pub fn instant(unix_ms: u64) -> String {
    format!("{:.3}", timestamp(unix_ms))
}

fn timestamp(unix_ms: u64) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_spans_read_like_speech() {
        for (s, text) in [(0, "now"), (1, "now"), (3, "3 s"), (120, "2 min"), (7200, "2 h"), (2_678_400, "31 d")] {
            assert_eq!(age(s * 1000), text);
        }
        for (s, text) in [
            (12, "12 s"),
            (2520, "42 min"),
            (3600, "1 h"),
            (68_520, "19 h 02 min"),
            (2_703_600, "31 d 7 h"),
            (86_400, "24 h"),
            (604_805, "7 d"),
        ] {
            assert_eq!(span(s * 1000), text);
        }
        assert_eq!((left(3_599_000), left(61_000), left(59_900)), ("1 h".into(), "2 min".into(), "59 s".into()));
    }

    #[test]
    fn instants_are_written_in_universal_time() {
        let unix_ms = 1_763_647_661_000;
        assert_eq!(clock(unix_ms), "14:07:41");
        assert_eq!(day(unix_ms), "20 November 2025");
        assert_eq!(day_and_time(unix_ms), "20 Nov 14:07");
        assert_eq!(instant(unix_ms), "2025-11-20T14:07:41.000Z");
        assert_eq!(clock(u64::MAX).len(), 8);
    }
}
