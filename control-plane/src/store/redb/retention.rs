//! Retention of the slots by age and size: each transaction deletes some of the oldest.

use redb::{ReadableTable, WriteTransaction};

use crate::store::metrics_store::StoreSize;
use crate::store::redb::fault::TransactionFault;
use crate::store::redb::tables::{NUMBERS, parts, slots};
use crate::store::rollup::{Keep, Resolution};

/// Slots of one length that one transaction deletes at most: several times what it can add, and
/// done in milliseconds.
const TRIMMED_MAX: usize = 20_000;

/// Bytes that a slot takes besides its metrics: its key, and its place in the page.
const SLOT_BYTES: u64 = 16;

/// The guaranteed share of each slot length, in percent of all bytes. However many endpoints and
/// days there are, the last hours stay fine enough for a chart. The shares add up to 100, so if all
/// together are over the limit, at least one is over its share.
const SURE_PERCENT: [u64; 3] = [25, 25, 50];

/// The assumed fill level of the pages, in percent, for a tree that grows at its end and is cut at
/// its beginning. It includes what the engine needs to rewrite pages. Trees of this kind reach two
/// thirds, so this is on the safe side.
const FULL_PERCENT: u64 = 60;

/// The bytes and slots of each table, updated with every insert and delete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TableSizes {
    bytes: [u64; 3],
    slots: [u64; 3],
    /// The first slot from which on all slots are complete.
    whole_since: [u64; 3],
    crowded_out: u64,
}

const BYTES: [&str; 3] = ["bytes_10s", "bytes_1m", "bytes_1h"];
const SLOTS: [&str; 3] = ["slots_10s", "slots_1m", "slots_1h"];
const WHOLE_SINCE: [&str; 3] = ["whole_since_10s", "whole_since_1m", "whole_since_1h"];
const CROWDED_OUT: &str = "slots_crowded_out";

impl TableSizes {
    pub(super) fn read(transaction: &WriteTransaction) -> Result<Self, TransactionFault> {
        Self::from_table(&transaction.open_table(NUMBERS)?)
    }

    pub(super) fn from_table(numbers: &impl ReadableTable<&'static str, u64>) -> Result<Self, TransactionFault> {
        let number = |name: &str| Ok::<_, TransactionFault>(numbers.get(name)?.map_or(0, |number| number.value()));
        let mut sizes = Self { crowded_out: number(CROWDED_OUT)?, ..Self::default() };
        for at in 0..Resolution::ALL.len() {
            (sizes.bytes[at], sizes.slots[at]) = (number(BYTES[at])?, number(SLOTS[at])?);
            sizes.whole_since[at] = number(WHOLE_SINCE[at])?;
        }
        Ok(sizes)
    }

    pub(super) fn write(&self, transaction: &WriteTransaction) -> Result<(), TransactionFault> {
        let mut numbers = transaction.open_table(NUMBERS)?;
        for at in 0..Resolution::ALL.len() {
            numbers.insert(BYTES[at], self.bytes[at])?;
            numbers.insert(SLOTS[at], self.slots[at])?;
            numbers.insert(WHOLE_SINCE[at], self.whole_since[at])?;
        }
        numbers.insert(CROWDED_OUT, self.crowded_out)?;
        Ok(())
    }

    /// Counts an inserted slot, which replaces one of `before` bytes if there was one.
    pub(super) fn put(&mut self, resolution: Resolution, before: Option<usize>, bytes: usize) {
        if let Some(before) = before {
            self.remove(resolution, before);
        }
        self.bytes[resolution as usize] += SLOT_BYTES + bytes as u64;
        self.slots[resolution as usize] += 1;
    }

    fn remove(&mut self, resolution: Resolution, bytes: usize) {
        let at = resolution as usize;
        self.bytes[at] = self.bytes[at].saturating_sub(SLOT_BYTES + bytes as u64);
        self.slots[at] = self.slots[at].saturating_sub(1);
    }

    /// Records that a slot was deleted, or came too late.
    pub(super) fn mark_incomplete(&mut self, resolution: Resolution, slot: u64) {
        let whole_since = &mut self.whole_since[resolution as usize];
        *whole_since = (*whole_since).max(slot + 1);
    }

    /// Returns the first slot of this length from which on all are complete.
    pub(super) fn whole_since(&self, resolution: Resolution) -> u64 {
        self.whole_since[resolution as usize]
    }

    /// Bytes of the file that the slots need.
    pub(super) fn needed_bytes(&self) -> u64 {
        self.bytes.iter().sum::<u64>().saturating_mul(100) / FULL_PERCENT
    }

    /// Returns whether all slots together are over the limit, and slots of this length are over
    /// their guaranteed share.
    fn is_crowded(&self, resolution: Resolution, bytes_max: u64) -> bool {
        let (bytes, sure) = (self.bytes[resolution as usize], SURE_PERCENT[resolution as usize]);
        self.needed_bytes() > bytes_max && bytes.saturating_mul(100) / FULL_PERCENT > bytes_max / 100 * sure
    }

    pub(super) fn size(&self, file_bytes: u64) -> StoreSize {
        StoreSize { file_bytes, slot_bytes: self.bytes, slots: self.slots, crowded_out: self.crowded_out }
    }
}

/// Deletes expired slots, and then, over the size limit, the oldest slots, starting with the finest
/// length.
pub(super) fn trim(
    transaction: &WriteTransaction,
    keep: &Keep,
    now_ms: u64,
    sizes: &mut TableSizes,
) -> Result<(), TransactionFault> {
    for resolution in Resolution::ALL {
        let oldest = keep.oldest(resolution, now_ms);
        trim_while(transaction, resolution, sizes, |slot, _| slot < oldest)?;
    }
    for resolution in Resolution::ALL {
        let gone = trim_while(transaction, resolution, sizes, |_, sizes| sizes.is_crowded(resolution, keep.bytes_max))?;
        sizes.crowded_out += gone;
    }
    Ok(())
}

fn trim_while(
    transaction: &WriteTransaction,
    resolution: Resolution,
    sizes: &mut TableSizes,
    goes: impl Fn(u64, &TableSizes) -> bool,
) -> Result<u64, TransactionFault> {
    let mut table = transaction.open_table(slots(resolution))?;
    for gone in 0..TRIMMED_MAX {
        let is_over = match table.first()? {
            Some((key, _)) => !goes(parts(key.value()).0, sizes),
            None => true,
        };
        if is_over {
            return Ok(gone as u64);
        }
        if let Some((key, bytes)) = table.pop_first()? {
            sizes.remove(resolution, bytes.value().len());
            sizes.mark_incomplete(resolution, parts(key.value()).0);
        }
    }
    Ok(TRIMMED_MAX as u64)
}
