//! The times of the notifications file, such as `30s`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// The longest time that a file may set.
const TIME_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// All times. Conditions are looked at once a second.
const TIMES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=TIME_MAX;

/// A time, or what is wrong with it.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = humantime::parse_duration(&text).ok().filter(|time| TIMES.contains(time));
    time.ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no time from 1s to 7d: write it as 30s, 10m or 4h")))
}

/// A time that the file may leave out.
pub(super) fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    time(deserializer).map(Some)
}
