//! A time range from the command line: `--from -2h --to 2026-01-31T12:00:00Z`.

use std::time::Duration;

use jiff::Timestamp;

use crate::moment;

/// The options of a time range.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct RangeOptions {
    /// From this instant on: RFC 3339, Unix milliseconds, or how long ago, such as -2h.
    #[arg(long, value_name = "INSTANT", value_parser = instant, allow_hyphen_values = true)]
    from: Option<Instant>,
    /// Until this instant, in the same ways [default: now].
    #[arg(long, value_name = "INSTANT", value_parser = instant, allow_hyphen_values = true, requires = "from")]
    to: Option<Instant>,
}

/// An absolute or relative instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instant {
    /// Milliseconds since the Unix epoch.
    At(u64),
    /// This long before the time of use.
    Ago(Duration),
}

impl RangeOptions {
    /// Whether a range is given.
    pub(crate) fn is_given(&self) -> bool {
        self.from.is_some()
    }

    /// The beginning, in the API's format; relative instants are resolved now.
    pub(crate) fn from(&self) -> Option<String> {
        self.from.map(Instant::unix_ms).map(|ms| ms.to_string())
    }

    /// The end, in the API's format; relative instants are resolved now.
    pub(crate) fn to(&self) -> Option<String> {
        self.to.map(Instant::unix_ms).map(|ms| ms.to_string())
    }

    /// Whether an instant is in the range now. Without a range, every instant is.
    pub(crate) fn holds(&self, unix_ms: u64) -> bool {
        self.from.is_none_or(|from| from.unix_ms() <= unix_ms) && self.to.is_none_or(|to| unix_ms < to.unix_ms())
    }
}

impl Instant {
    fn unix_ms(self) -> u64 {
        match self {
            Self::At(unix_ms) => unix_ms,
            Self::Ago(ago) => moment::now_ms().saturating_sub(ago.as_millis() as u64),
        }
    }
}

fn instant(value: &str) -> Result<Instant, String> {
    if let Some(ago) = value.strip_prefix('-') {
        let ago =
            humantime::parse_duration(ago).map_err(|error| format!("{error}; write how long ago it was like -15m or -2h"))?;
        return Ok(Instant::Ago(ago));
    }
    let timestamp = || value.parse::<Timestamp>().ok().and_then(|instant| u64::try_from(instant.as_millisecond()).ok());
    let unix_ms = value.parse().ok().or_else(timestamp);
    let unix_ms =
        unix_ms.ok_or("expected an instant such as 2026-01-31T12:00:00Z, Unix milliseconds, or how long ago, such as -2h")?;
    Ok(Instant::At(unix_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_a_time_of_day_a_number_or_how_long_ago() {
        assert_eq!(instant("2025-11-20T14:00:00Z"), Ok(Instant::At(1_763_647_200_000)));
        assert_eq!(instant("2025-11-20T15:00:00+01:00"), Ok(Instant::At(1_763_647_200_000)));
        assert_eq!(instant("1763647200000"), Ok(Instant::At(1_763_647_200_000)));
        assert_eq!(instant("-2h"), Ok(Instant::Ago(Duration::from_secs(7200))));
        for text in ["", "-", "-soon", "2h", "yesterday", "2025-11-20"] {
            assert!(instant(text).is_err(), "{text}");
        }
    }
}
