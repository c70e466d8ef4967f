//! How far back the slots of each length are stored, and which of them make up a time range.

use crate::model::window::Range;
use crate::store::StoreError;
use crate::store::metrics_store::{SlotRange, StoreView};
use crate::store::rollup::Resolution;

const MINUTE_MS: u64 = Resolution::Minute.step_ms();
const HOUR_MS: u64 = Resolution::Hour.step_ms();

/// The instant from which the slots of each length are complete.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "they are all instants, and say so")]
pub(super) struct Retention {
    ten_seconds_ms: u64,
    minutes_ms: u64,
    since_ms: u64,
}

impl Retention {
    pub(super) fn read(view: &dyn StoreView) -> Result<Self, StoreError> {
        let lengths = [Resolution::TenSeconds, Resolution::Minute, Resolution::Hour];
        let mut oldest = Vec::with_capacity(lengths.len());
        for length in lengths {
            oldest.push((length.step_ms(), view.oldest_ms(length)?));
        }
        let begun_ms = begun(view.since_ms()?, &oldest);
        Ok(Self {
            ten_seconds_ms: view.whole_since_ms(Resolution::TenSeconds)?,
            minutes_ms: view.whole_since_ms(Resolution::Minute)?,
            since_ms: begun_ms.max(view.whole_since_ms(Resolution::Hour)?),
        })
    }

    /// The instant from which everything is stored.
    pub(super) fn since_ms(self) -> u64 {
        self.since_ms
    }

    /// Returns whether slots of this length are complete from an instant on. Hours always count as
    /// complete: no slots go back further.
    pub(super) fn covers(self, resolution: Resolution, from_ms: u64) -> bool {
        match resolution {
            Resolution::TenSeconds => self.ten_seconds_ms <= from_ms,
            Resolution::Minute => self.minutes_ms <= from_ms,
            Resolution::Hour => true,
        }
    }

    /// Extends a range to whole slots: minutes where they are complete at an end, otherwise hours.
    pub(super) fn whole(self, range: Range) -> Range {
        let from_minute = range.from_ms / MINUTE_MS * MINUTE_MS;
        let from_step = if self.covers(Resolution::Minute, from_minute) { MINUTE_MS } else { HOUR_MS };
        let last_hour = range.to_ms / HOUR_MS * HOUR_MS;
        let to_step = if self.covers(Resolution::Minute, last_hour) { MINUTE_MS } else { HOUR_MS };
        Range { from_ms: range.from_ms / from_step * from_step, to_ms: range.to_ms.next_multiple_of(to_step) }
    }

    /// Returns the slots that make up a time range, each instant once: hours in the middle, minutes
    /// at the ends where they are complete. An end without minutes is extended to a whole hour.
    pub(super) fn pieces(self, from_ms: u64, to_ms: u64) -> Vec<SlotRange> {
        let whole = |ms: u64, step_ms: u64| ms / step_ms * step_ms;
        let from_minute = whole(from_ms, MINUTE_MS);
        let has_minutes = |ms: u64| self.covers(Resolution::Minute, ms);
        let first_hour = if has_minutes(from_minute) { from_ms.next_multiple_of(HOUR_MS) } else { whole(from_ms, HOUR_MS) };
        let last_hour = if has_minutes(whole(to_ms, HOUR_MS)) { whole(to_ms, HOUR_MS) } else { to_ms };
        let piece = |resolution, from_ms, to_ms| SlotRange { resolution, from_ms, to_ms };
        let pieces = [
            piece(Resolution::Minute, from_minute, first_hour.min(to_ms)),
            piece(Resolution::Hour, first_hour, last_hour),
            piece(Resolution::Minute, first_hour.max(last_hour), to_ms),
        ];
        pieces.into_iter().filter(|piece| piece.from_ms < piece.to_ms).collect()
    }
}

/// When counting began. A pod may have sent windows older than the store. A slot that merely
/// contains the start of the store does not count as older.
fn begun(since_ms: u64, oldest: &[(u64, Option<u64>)]) -> u64 {
    oldest.iter().fold(since_ms, |begun_ms, (step_ms, oldest_ms)| match oldest_ms {
        Some(oldest_ms) if *oldest_ms < begun_ms / step_ms * step_ms => *oldest_ms,
        _ => begun_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_MS: u64 = 1_763_647_200_000;

    fn reach(minutes_ms: u64) -> Retention {
        Retention { ten_seconds_ms: 0, minutes_ms, since_ms: 0 }
    }

    /// The pieces of a time range, in minutes after a whole hour.
    fn pieces(minutes_since: u64, from: u64, to: u64) -> Vec<(Resolution, u64, u64)> {
        let ms = |minute: u64| AT_MS + minute * MINUTE_MS;
        let minute = |ms: u64| (ms - AT_MS) / MINUTE_MS;
        let pieces = reach(ms(minutes_since)).pieces(ms(from), ms(to));
        pieces.into_iter().map(|piece| (piece.resolution, minute(piece.from_ms), minute(piece.to_ms))).collect()
    }

    #[test]
    fn the_ends_of_a_range_are_minutes_where_there_are_any_and_else_hours() {
        use Resolution::{Hour, Minute};

        assert_eq!(pieces(0, 30, 150), [(Minute, 30, 60), (Hour, 60, 120), (Minute, 120, 150)]);
        assert_eq!(pieces(31, 30, 150), [(Hour, 0, 120), (Minute, 120, 150)]);
        assert_eq!(pieces(121, 30, 150), [(Hour, 0, 150)]);
        assert_eq!(pieces(0, 10, 50), [(Minute, 10, 50)]);
        assert_eq!(pieces(10, 10, 50), [(Minute, 10, 50)]);
        assert_eq!(pieces(11, 10, 50), [(Hour, 0, 50)]);
        assert_eq!(pieces(0, 60, 120), [(Hour, 60, 120)]);
        assert_eq!(pieces(999, 60, 120), [(Hour, 60, 120)]);
        assert_eq!(pieces(40, 30, 70), [(Hour, 0, 60), (Minute, 60, 70)]);
    }

    #[test]
    fn a_range_is_made_of_whole_slots_that_meet_the_range_before() {
        let ms = |minute: u64| AT_MS + minute * MINUTE_MS;
        let whole = |minutes_since: u64, from_ms: u64, to_ms: u64| {
            let Range { from_ms, to_ms } = reach(ms(minutes_since)).whole(Range { from_ms, to_ms });
            (from_ms.wrapping_sub(AT_MS) / MINUTE_MS, (to_ms - AT_MS) / MINUTE_MS)
        };
        assert_eq!(whole(0, ms(30), ms(150)), (30, 150), "whole minutes stay");
        assert_eq!(whole(0, ms(30) + 1, ms(150) + 1), (30, 151));
        assert_eq!(whole(999, ms(30), ms(150)), (0, 180), "where there are hours only, hours");
        assert_eq!(whole(100, ms(30), ms(150) + 1), (0, 151), "each end has its own");
        // A range and the one before it share no slot.
        let reach = reach(ms(0));
        let Range { from_ms, to_ms } = reach.whole(Range { from_ms: ms(61) + 7, to_ms: ms(119) + 7 });
        let slots = |from_ms, to_ms| reach.pieces(from_ms, to_ms);
        let (now, before) = (slots(from_ms, to_ms), slots(from_ms - (to_ms - from_ms), from_ms));
        assert_eq!(before.last().map(|piece| piece.to_ms), now.first().map(|piece| piece.from_ms));
    }

    #[test]
    fn counting_began_with_the_record_or_with_what_is_older_in_it() {
        let slots = |ten_seconds, minute, hour| [(10_000, ten_seconds), (60_000, minute), (3_600_000, hour)];
        let since_ms = AT_MS + 28 * MINUTE_MS + 21_000;
        assert_eq!(begun(since_ms, &slots(None, None, None)), since_ms);
        let same = slots(Some(since_ms - 1000), Some(AT_MS + 28 * MINUTE_MS), Some(AT_MS));
        assert_eq!(begun(since_ms, &same), since_ms, "the hour in which it began is no hour before");
        let handed_over = slots(Some(AT_MS + 600_000), Some(AT_MS + 600_000), Some(AT_MS));
        assert_eq!(begun(since_ms, &handed_over), AT_MS + 600_000);
        let trimmed = slots(Some(since_ms + 9_999_999), Some(since_ms + 9_999_999), Some(AT_MS - HOUR_MS));
        assert_eq!(begun(since_ms, &trimmed), AT_MS - HOUR_MS);
    }
}
