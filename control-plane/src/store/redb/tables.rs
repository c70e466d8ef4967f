//! The tables in the file, and what their keys and values are.

use redb::TableDefinition;

use crate::store::rollup::Resolution;

/// Words by name: the store's own.
pub(super) const NAMES: TableDefinition<'_, &str, &str> = TableDefinition::new("names");

/// Numbers by name: format, revision, and what is counted.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// Rules by id.
pub(super) const RULES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rules");

/// Audit entries by number.
pub(super) const AUDIT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("audit");

/// The names of series by their numbers, which stand for them in the other tables.
pub(super) const SERIES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("series");

/// Everything that a series ever counted.
pub(super) const TOTALS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("totals");

/// By pod and epoch: the last slot of which everything is on disk, and when that was written.
pub(super) const MARKS: TableDefinition<'_, (&str, u64), (u64, u64)> = TableDefinition::new("marks");

/// By pod and epoch: the processes that are attached.
pub(super) const ATTACHED: TableDefinition<'_, (&str, u64), ()> = TableDefinition::new("attached");

/// By the name of a series: the counters that `/metrics` exposed last.
pub(super) const EXPOSED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("exposed");

/// By slot and series ([`key`]): what was counted.
pub(super) type Slots = TableDefinition<'static, u64, &'static [u8]>;

const TEN_SECONDS: Slots = TableDefinition::new("slots_10s");
const MINUTES: Slots = TableDefinition::new("slots_1m");
const HOURS: Slots = TableDefinition::new("slots_1h");

/// The table of the slots of one length.
pub(super) const fn slots(resolution: Resolution) -> Slots {
    match resolution {
        Resolution::TenSeconds => TEN_SECONDS,
        Resolution::Minute => MINUTES,
        Resolution::Hour => HOURS,
    }
}

/// Slots come before series, so that a stretch of time is one stretch of the table, and the oldest is its beginning.
pub(super) const fn key(slot: u64, series: u32) -> u64 {
    slot << 32 | series as u64
}

/// The slot and the series of a key.
pub(super) const fn parts(key: u64) -> (u64, u32) {
    (key >> 32, key as u32)
}
