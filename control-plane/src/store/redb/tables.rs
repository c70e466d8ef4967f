//! The tables in the file, with their keys and values.

use redb::TableDefinition;

use crate::store::rollup::Resolution;

/// Texts by name: the store's own id.
pub(super) const NAMES: TableDefinition<'_, &str, &str> = TableDefinition::new("names");

/// Numbers by name: format, revision and counters.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// Rules by id.
pub(super) const RULES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rules");

/// Audit entries by number.
pub(super) const AUDIT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("audit");

/// The names of series by number; the other tables refer to series by number.
pub(super) const SERIES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("series");

/// The total of each series.
pub(super) const TOTALS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("totals");

/// By pod and epoch: the last slot up to which everything is on disk, and when that was written.
pub(super) const MARKS: TableDefinition<'_, (&str, u64), (u64, u64)> = TableDefinition::new("marks");

/// By pod and epoch: the processes that are attached.
pub(super) const ATTACHED: TableDefinition<'_, (&str, u64), ()> = TableDefinition::new("attached");

/// By series name: the counters that `/metrics` exposed last.
pub(super) const EXPOSED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("exposed");

/// By id: the notices that fire, and the last ones that ended.
pub(super) const NOTICES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("notices");

/// By number: the messages about notices that are not delivered yet.
pub(super) const MESSAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("messages");

/// By slot and series ([`key`]): the counts.
pub(super) type Slots = TableDefinition<'static, u64, &'static [u8]>;

const TEN_SECONDS: Slots = TableDefinition::new("slots_10s");
const MINUTES: Slots = TableDefinition::new("slots_1m");
const HOURS: Slots = TableDefinition::new("slots_1h");

/// Returns the table of the slots of one length.
pub(super) const fn slots(resolution: Resolution) -> Slots {
    match resolution {
        Resolution::TenSeconds => TEN_SECONDS,
        Resolution::Minute => MINUTES,
        Resolution::Hour => HOURS,
    }
}

/// The slot comes before the series, so that a time range is one range of the table, and the oldest
/// slots come first.
pub(super) const fn key(slot: u64, series: u32) -> u64 {
    slot << 32 | series as u64
}

/// Returns the slot and the series of a key.
pub(super) const fn parts(key: u64) -> (u64, u32) {
    (key >> 32, key as u32)
}

/// The format version of the file. A control plane refuses a file of a later format.
pub(crate) const FORMAT: u64 = 1;
