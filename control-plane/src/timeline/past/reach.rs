//! How far back the slots of each length reach, and which of them make up a stretch of time.

use crate::store::StoreError;
use crate::store::chronicle::{Stretch, View};
use crate::store::rollup::Resolution;

const MINUTE_MS: u64 = Resolution::Minute.step_ms();
const HOUR_MS: u64 = Resolution::Hour.step_ms();

/// How far back slots of each length reach.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "they are all instants, and say so")]
pub(super) struct Reach {
    ten_seconds_ms: u64,
    minutes_ms: u64,
    hours_ms: u64,
    since_ms: u64,
}

impl Reach {
    pub(super) fn of(view: &dyn View) -> Result<Self, StoreError> {
        let oldest_ms = |resolution| Ok::<_, StoreError>(view.oldest_ms(resolution)?.unwrap_or(u64::MAX));
        Ok(Self {
            ten_seconds_ms: oldest_ms(Resolution::TenSeconds)?,
            minutes_ms: oldest_ms(Resolution::Minute)?,
            hours_ms: oldest_ms(Resolution::Hour)?,
            since_ms: view.since_ms()?,
        })
    }

    /// Since when anything is known.
    pub(super) fn since_ms(self) -> u64 {
        // A pod may have handed over what is older than the record.
        self.since_ms.min(self.hours_ms)
    }

    /// Whether slots of this length are all there from an instant on: as long as any that is longer.
    pub(super) fn covers(self, resolution: Resolution, from_ms: u64) -> bool {
        let (oldest_ms, longer_ms) = match resolution {
            Resolution::TenSeconds => (self.ten_seconds_ms, self.minutes_ms),
            Resolution::Minute => (self.minutes_ms, self.hours_ms),
            Resolution::Hour => return true,
        };
        // The oldest slot may begin within the oldest longer one, and then nothing has gone.
        oldest_ms <= from_ms || oldest_ms == u64::MAX || longer_ms / HOUR_MS == oldest_ms / HOUR_MS
    }

    /// The slots that make up a stretch of time, each instant once: hours in the middle, minutes at the ends where there
    /// are any. What cannot be cut at its beginning begins on a whole hour.
    pub(super) fn pieces(self, from_ms: u64, to_ms: u64) -> Vec<Stretch> {
        let minute = |ms: u64| ms / MINUTE_MS * MINUTE_MS;
        let piece = |resolution, from_ms, to_ms| Stretch { resolution, from_ms, to_ms };
        let first_hour = if self.covers(Resolution::Minute, minute(from_ms)) {
            from_ms.div_ceil(HOUR_MS) * HOUR_MS
        } else {
            from_ms / HOUR_MS * HOUR_MS
        };
        let last_hour = to_ms / HOUR_MS * HOUR_MS;
        let pieces = if first_hour >= last_hour {
            vec![piece(Resolution::Minute, minute(from_ms), to_ms)]
        } else {
            vec![
                piece(Resolution::Minute, minute(from_ms).min(first_hour), first_hour),
                piece(Resolution::Hour, first_hour, last_hour),
                piece(Resolution::Minute, last_hour, to_ms),
            ]
        };
        pieces.into_iter().filter(|piece| piece.from_ms < piece.to_ms).collect()
    }
}
