//! The reader's time zone: the browser sends it in a cookie; without one it is UTC, and the page says so.

use std::convert::Infallible;
use std::hash::{Hash, Hasher};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::http::cookie;
use crate::model::window::Range;

/// The cookie's name.
const COOKIE: &str = "sitio_zone";

/// The longest accepted name. The longest name of a zone has 30 letters.
const NAME_BYTES_MAX: usize = 48;

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

/// Zones of the same name have the same hash.
impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iana_name().hash(state);
    }
}

impl<S: Sync> FromRequestParts<S> for Zone {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(cookie(&parts.headers, COOKIE).map(Self::named).unwrap_or_default())
    }
}

impl Zone {
    /// The zone of that name; UTC if it is unknown.
    pub fn named(name: &str) -> Self {
        if name.len() > NAME_BYTES_MAX {
            return Self::default();
        }
        TimeZone::get(name).map(Self).unwrap_or_default()
    }

    /// A sentence that names the zone of a page's times: `Times are UTC.`
    pub fn words(&self) -> String {
        match self.0.iana_name() {
            None | Some("UTC") => "Times are UTC.".into(),
            Some(name) => format!("Times are in the zone {}.", name.replace('_', " ")),
        }
    }

    /// The day, as a number that grows by one each day.
    pub fn day_number(&self, unix_ms: u64) -> i64 {
        let date = self.at(unix_ms).date();
        date.to_zoned(TimeZone::UTC).map_or(0, |midnight| midnight.timestamp().as_second() / 86_400)
    }

    /// The day: `20 November 2026`.
    pub fn day(&self, unix_ms: u64) -> String {
        self.at(unix_ms).strftime("%-d %B %Y").to_string()
    }

    /// The time of day to the minute: `14:07`.
    pub fn minute(&self, unix_ms: u64) -> String {
        self.at(unix_ms).strftime("%H:%M").to_string()
    }

    /// The time of day: `14:07:41`.
    pub fn clock(&self, unix_ms: u64) -> String {
        self.at(unix_ms).strftime("%H:%M:%S").to_string()
    }

    /// The time of day with the zone's abbreviation: `14:07:41 UTC`.
    pub fn time(&self, unix_ms: u64) -> String {
        self.at(unix_ms).strftime("%H:%M:%S %Z").to_string()
    }

    /// The day and the time, with the zone's abbreviation: `20 November 2026, 14:07:41 UTC`.
    pub fn moment(&self, unix_ms: u64) -> String {
        self.at(unix_ms).strftime("%-d %B %Y, %H:%M:%S %Z").to_string()
    }

    /// A minute in the format of a `datetime-local` field: `2025-11-20T14:07`.
    pub fn input(&self, unix_ms: u64) -> String {
        self.at(unix_ms).strftime("%Y-%m-%dT%H:%M").to_string()
    }

    /// Parses the value of such a field, into milliseconds since the Unix epoch.
    pub fn unix_ms(&self, text: &str) -> Option<u64> {
        let zoned = text.parse::<DateTime>().ok()?.to_zoned(self.0.clone()).ok()?;
        u64::try_from(zoned.timestamp().as_millisecond()).ok()
    }

    /// The range in words: `20 November 2025, 09:00 to 10:00 UTC`; with both days and zones where they differ.
    pub fn range(&self, range: Range) -> String {
        let part = |unix_ms: u64, format: &str| self.at(unix_ms).strftime(format).to_string();
        let (from_ms, to_ms) = (range.from_ms, range.to_ms);
        let is_one_day = ["%F", "%Z"].into_iter().all(|format| part(from_ms, format) == part(to_ms, format));
        let to = part(to_ms, if is_one_day { "%H:%M %Z" } else { "%-d %B %Y, %H:%M %Z" });
        format!("{} to {to}", part(from_ms, if is_one_day { "%-d %B %Y, %H:%M" } else { "%-d %B %Y, %H:%M %Z" }))
    }

    fn at(&self, unix_ms: u64) -> Zoned {
        let timestamp = Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
        timestamp.to_zoned(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use axum::http::header;

    use super::*;
    use crate::dashboard::sample::NOW_MS;

    async fn describe(cookie: &str) -> Zone {
        let (mut parts, ()) = Request::get("/audit").header(header::COOKIE, cookie).body(()).unwrap().into_parts();
        Zone::from_request_parts(&mut parts, &()).await.unwrap()
    }

    #[tokio::test]
    async fn a_browser_sends_its_zone_and_nonsense_is_ignored() {
        let berlin = describe("sitio_session=x; sitio_zone=Europe/Berlin").await;
        assert_eq!(
            (berlin.words().as_str(), berlin.clock(NOW_MS).as_str()),
            ("Times are in the zone Europe/Berlin.", "15:07:41")
        );
        for cookie in ["", "sitio_zone=", "sitio_zone=Mars/Base", "sitio_zone=../../etc/passwd", "sitio_zone=<b>"] {
            assert_eq!(describe(cookie).await, Zone::default(), "{cookie}");
        }
        assert_eq!(Zone::default().words(), "Times are UTC.");
    }

    #[test]
    fn a_day_begins_where_the_reader_is() {
        let (utc, auckland) = (Zone::default(), Zone::named("Pacific/Auckland"));
        assert_eq!((utc.day(NOW_MS).as_str(), auckland.day(NOW_MS).as_str()), ("20 November 2025", "21 November 2025"));
        assert_eq!(auckland.day_number(NOW_MS), utc.day_number(NOW_MS) + 1);
        assert_eq!(utc.day_number(NOW_MS), (NOW_MS / 86_400_000) as i64);
        assert_eq!(auckland.moment(NOW_MS), "21 November 2025, 03:07:41 NZDT");
        let entered = auckland.input(NOW_MS);
        assert_eq!((entered.as_str(), auckland.unix_ms(&entered)), ("2025-11-21T03:07", Some(NOW_MS / 60_000 * 60_000)));
        assert_eq!((utc.unix_ms("yesterday"), utc.unix_ms("")), (None, None));
        assert_eq!((auckland.minute(NOW_MS).as_str(), utc.minute(NOW_MS).as_str()), ("03:07", "14:07"));
    }
}
