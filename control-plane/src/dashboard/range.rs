//! The time range of a page: the form that selects it, and the whole slots that the page shows.

use axum::http::StatusCode;

use crate::dashboard::page::PageError;
use crate::dashboard::query::{DisplayWindow, ViewQuery};
use crate::dashboard::zone::Zone;
use crate::model::window::{QueryWindow, Range};
use crate::query::snapshot::{Snapshot, range};
use format::time;

const MINUTE_MS: u64 = 60_000;

/// The length of the range that the form offers on a page without one.
const OFFERED_MS: u64 = 3_600_000;

/// The form, and the shown range in words.
#[derive(Debug)]
pub struct RangeForm {
    /// The first minute, in the reader's zone.
    pub from: String,
    /// The minute after the last, in the reader's zone.
    pub to: String,
    /// The start as an instant, which stays unambiguous when the zone's offset changes.
    pub from_instant: String,
    /// The end as an instant.
    pub to_instant: String,
    /// A sentence that names the zone.
    pub zone: String,
    /// The range in words: `20 November 2025, 09:00 to 10:00 UTC, whole minutes`; empty on a page that shows a window.
    pub shown: String,
}

impl RangeForm {
    /// The form on a page that shows `snapshot`, requested with this window.
    pub fn of(span: DisplayWindow, snapshot: &Snapshot, zone: &Zone) -> Self {
        let (range, shown) = if let (DisplayWindow::Between(asked), QueryWindow::Between(whole)) = (span, snapshot.window) {
            (whole, words(asked, whole, zone))
        } else {
            let to_ms = snapshot.taken_ms / MINUTE_MS * MINUTE_MS;
            (Range { from_ms: to_ms.saturating_sub(OFFERED_MS), to_ms }, String::new())
        };
        Self {
            from: zone.input(range.from_ms),
            to: zone.input(range.to_ms),
            from_instant: time::instant(range.from_ms),
            to_instant: time::instant(range.to_ms),
            zone: zone.words(),
            shown,
        }
    }

    /// Whether the page shows a range.
    pub fn is_shown(&self) -> bool {
        !self.shown.is_empty()
    }
}

impl ViewQuery {
    /// The range between two instants that the query names, or else the window.
    pub fn chosen(&self, zone: &Zone, now_ms: u64) -> Result<DisplayWindow, Box<PageError>> {
        let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let instant = |text: &str| range::unix_ms(text).or_else(|| zone.unix_ms(text));
        match range::asked(given(&self.window), given(&self.from), given(&self.to), now_ms, instant) {
            Ok(range) => Ok(range.map_or_else(|| self.span(), |range| DisplayWindow::Between(whole_minutes(range)))),
            Err(words) => Err(PageError::unreadable_request(StatusCode::BAD_REQUEST, format!("{words}. Correct the address."))),
        }
    }
}

/// Extends a range to whole minutes: a page requested twice within a minute reads the disk once.
pub fn whole_minutes(range: Range) -> Range {
    Range { from_ms: range.from_ms / MINUTE_MS * MINUTE_MS, to_ms: range.to_ms.next_multiple_of(MINUTE_MS) }
}

fn words(asked: Range, whole: Range, zone: &Zone) -> String {
    let slots = if whole_minutes(asked) == whole { "whole minutes" } else { "whole hours, because minutes are no longer stored" };
    format!("{}, {slots}", zone.range(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_its_slots_in_the_zone_of_the_reader() {
        // 20 November 2025, 14:00 UTC.
        let at_ms = |minutes: u64| 1_763_647_200_000 + minutes * MINUTE_MS;
        let range = |from, to| Range { from_ms: at_ms(from), to_ms: at_ms(to) };
        let utc = Zone::default();
        let said = words(range(0, 60), range(0, 60), &utc);
        assert_eq!(said, "20 November 2025, 14:00 to 15:00 UTC, whole minutes");
        let said = words(range(10, 50), range(0, 60), &utc);
        assert_eq!(said, "20 November 2025, 14:00 to 15:00 UTC, whole hours, because minutes are no longer stored");
        let said = words(range(0, 60 * 11), range(0, 60 * 11), &Zone::named("Europe/Berlin"));
        assert_eq!(said, "20 November 2025, 15:00 CET to 21 November 2025, 02:00 CET, whole minutes");
        let uneven = Range { from_ms: at_ms(0) + 1, to_ms: at_ms(1) + 1 };
        assert_eq!(whole_minutes(uneven), range(0, 2));
    }
}
