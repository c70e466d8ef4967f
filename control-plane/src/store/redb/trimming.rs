//! Keeps the record within its time and its size: the oldest slots go first, a few with each transaction.

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use crate::store::chronicle::Size;
use crate::store::redb::appending::Total;
use crate::store::redb::fault::Fault;
use crate::store::redb::tables::{MARKS, NUMBERS, SERIES, TOTALS, parts, slots};

use crate::store::rollup::{Keep, Resolution};

/// Slots that one transaction lets go of one length: several times what it can bring, and done in milliseconds.
const TRIMMED_MAX: usize = 20_000;

/// Bytes that a slot takes besides its metrics: its key, and its place in the page.
const SLOT_BYTES: u64 = 16;

/// Marks that are kept: of ten thousand pods, each made anew once a day, three months.
const MARKS_MAX: u64 = 1_000_000;

/// How full the pages of a tree are taken to be that grows at its end and is cut at its beginning, in percent, with what
/// the engine needs to write them anew. It is on the safe side of the two thirds that trees of this kind come to.
const FULL_PERCENT: u64 = 60;

/// The bytes and the slots of each table, counted as they come and go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    bytes: [u64; 3],
    slots: [u64; 3],
    crowded_out: u64,
}

const BYTES: [&str; 3] = ["bytes_10s", "bytes_1m", "bytes_1h"];
const SLOTS: [&str; 3] = ["slots_10s", "slots_1m", "slots_1h"];
const CROWDED_OUT: &str = "slots_crowded_out";

impl Tally {
    pub(super) fn read(transaction: &WriteTransaction) -> Result<Self, Fault> {
        Self::of(&transaction.open_table(NUMBERS)?)
    }

    pub(super) fn of(numbers: &impl ReadableTable<&'static str, u64>) -> Result<Self, Fault> {
        let number = |name: &str| Ok::<_, Fault>(numbers.get(name)?.map_or(0, |number| number.value()));
        let mut tally = Self { crowded_out: number(CROWDED_OUT)?, ..Self::default() };
        for at in 0..Resolution::ALL.len() {
            (tally.bytes[at], tally.slots[at]) = (number(BYTES[at])?, number(SLOTS[at])?);
        }
        Ok(tally)
    }

    pub(super) fn write(&self, transaction: &WriteTransaction) -> Result<(), Fault> {
        let mut numbers = transaction.open_table(NUMBERS)?;
        for at in 0..Resolution::ALL.len() {
            numbers.insert(BYTES[at], self.bytes[at])?;
            numbers.insert(SLOTS[at], self.slots[at])?;
        }
        numbers.insert(CROWDED_OUT, self.crowded_out)?;
        Ok(())
    }

    /// A slot has come, or in place of one of so many bytes.
    pub(super) fn put(&mut self, resolution: Resolution, before: Option<usize>, bytes: usize) {
        if let Some(before) = before {
            self.gone(resolution, before);
        }
        self.bytes[resolution as usize] += SLOT_BYTES + bytes as u64;
        self.slots[resolution as usize] += 1;
    }

    fn gone(&mut self, resolution: Resolution, bytes: usize) {
        let at = resolution as usize;
        self.bytes[at] = self.bytes[at].saturating_sub(SLOT_BYTES + bytes as u64);
        self.slots[at] = self.slots[at].saturating_sub(1);
    }

    /// Bytes of the file that the slots need.
    pub(super) fn needed_bytes(&self) -> u64 {
        self.bytes.iter().sum::<u64>().saturating_mul(100) / FULL_PERCENT
    }

    pub(super) fn size(&self, file_bytes: u64) -> Size {
        Size { file_bytes, slot_bytes: self.bytes, slots: self.slots, crowded_out: self.crowded_out }
    }
}

/// Lets go of slots whose time is over, and then, if there is too much, of the oldest of the two shorter lengths.
pub(super) fn trim(transaction: &WriteTransaction, keep: &Keep, now_ms: u64, tally: &mut Tally) -> Result<(), Fault> {
    for resolution in Resolution::ALL {
        let oldest = keep.oldest(resolution, now_ms);
        trim_while(transaction, resolution, tally, |slot, _| slot < oldest)?;
    }
    if transaction.open_table(MARKS)?.len()? > MARKS_MAX + MARKS_MAX / 10 {
        tend_marks(transaction, now_ms.saturating_sub(keep.hours.as_millis() as u64))?;
    }
    for resolution in [Resolution::TenSeconds, Resolution::Minute] {
        let gone = trim_while(transaction, resolution, tally, |_, tally| tally.needed_bytes() > keep.bytes_max)?;
        tally.crowded_out += gone;
    }
    Ok(())
}

fn trim_while(
    transaction: &WriteTransaction,
    resolution: Resolution,
    tally: &mut Tally,
    goes: impl Fn(u64, &Tally) -> bool,
) -> Result<u64, Fault> {
    let mut table = transaction.open_table(slots(resolution))?;
    for gone in 0..TRIMMED_MAX {
        let is_over = match table.first()? {
            Some((key, _)) => !goes(parts(key.value()).0, tally),
            None => true,
        };
        if is_over {
            return Ok(gone as u64);
        }
        if let Some((_, bytes)) = table.pop_first()? {
            tally.gone(resolution, bytes.value().len());
        }
    }
    Ok(TRIMMED_MAX as u64)
}

/// Lets go of marks of which nothing was heard for as long as the longest slots are kept, and of more than there may be.
fn tend_marks(transaction: &WriteTransaction, oldest_ms: u64) -> Result<(), Fault> {
    let mut marks = transaction.open_table(MARKS)?;
    marks.retain(|_, (_, heard_ms)| heard_ms >= oldest_ms)?;
    let too_many = marks.len()?.saturating_sub(MARKS_MAX) as usize;
    if too_many == 0 {
        return Ok(());
    }
    let mut heard = Vec::with_capacity(marks.len()? as usize);
    for mark in marks.iter()? {
        heard.push(mark?.1.value().1);
    }
    let newest_gone_ms = *heard.select_nth_unstable(too_many).1;
    marks.retain(|_, (_, heard_ms)| heard_ms > newest_gone_ms)?;
    Ok(())
}

/// At the start: lets go of marks and of series of which nothing was heard for as long as the longest slots are kept.
/// That is seen from the last word that was written down and not by the clock: one that is set wrong must cost nothing.
pub(super) fn tend(transaction: &WriteTransaction, keep: &Keep) -> Result<(), Fault> {
    let mut newest_ms = 0;
    for mark in transaction.open_table(MARKS)?.iter()? {
        newest_ms = newest_ms.max(mark?.1.value().1);
    }
    let oldest_ms = newest_ms.saturating_sub(keep.hours.as_millis() as u64);
    tend_marks(transaction, oldest_ms)?;
    let (mut series, mut totals) = (transaction.open_table(SERIES)?, transaction.open_table(TOTALS)?);
    let mut silent = Vec::new();
    for row in totals.iter()? {
        let (number, bytes) = row?;
        if Total::read(bytes.value())?.seen.is_some_and(|seen| seen.last_ms < oldest_ms) {
            silent.push(number.value());
        }
    }
    for number in silent {
        totals.remove(number)?;
        series.remove(number)?;
    }
    Ok(())
}
