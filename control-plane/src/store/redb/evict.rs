//! Evicts series that were quiet for the whole retention time, and the oldest series and marks over their limits.

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use crate::store::redb::fault::TransactionFault;
use crate::store::redb::stored_total::StoredTotal;
use crate::store::redb::tables::{MARKS, SERIES, TOTALS};
use crate::store::redb::trusted_clock::TrustedClock;
use crate::store::rollup::Keep;

/// Marks that are kept: ten thousand pods, each recreated daily, for three months, in about 100 MB.
///
/// No mark expires by age. It is the only proof of what is on disk of a process that lives on
/// without traffic; without it, all of its counts would be taken for new.
const MARKS_MAX: u64 = 1_000_000;

/// Series that are kept: as many as memory holds. Each takes up to a kilobyte in memory and on
/// disk.
const SERIES_MAX: usize = 65_536;

/// At startup: evicts what is no longer needed. Age is measured from the last write and not by the
/// clock, so that a wrong clock has no effect.
pub(super) fn forget(transaction: &WriteTransaction, keep: &Keep) -> Result<(), TransactionFault> {
    forget_marks(transaction, MARKS_MAX)?;
    let oldest_ms = newest_ms(transaction)?.saturating_sub(keep.hours.as_millis() as u64);
    forget_series(transaction, &silent(transaction, oldest_ms, SERIES_MAX)?)
}

/// Deletes series by their numbers.
pub(super) fn forget_series(transaction: &WriteTransaction, numbers: &[u32]) -> Result<(), TransactionFault> {
    let (mut series, mut totals) = (transaction.open_table(SERIES)?, transaction.open_table(TOTALS)?);
    for number in numbers {
        totals.remove(number)?;
        series.remove(number)?;
    }
    Ok(())
}

/// Returns the series without a write since `since_ms`, and those quiet longest over `series_max`.
pub(super) fn silent(transaction: &WriteTransaction, since_ms: u64, series_max: usize) -> Result<Vec<u32>, TransactionFault> {
    let mut newest = Vec::new();
    for row in transaction.open_table(TOTALS)?.iter()? {
        let (number, bytes) = row?;
        newest.push((StoredTotal::read(bytes.value())?.newest_ms().unwrap_or(u64::MAX), number.value()));
    }
    newest.sort_unstable();
    let too_many = newest.len().saturating_sub(series_max);
    let goes = |(place, (newest_ms, _)): &(usize, (u64, u32))| *newest_ms < since_ms || *place < too_many;
    Ok(newest.into_iter().enumerate().filter(goes).map(|(_, (_, number))| number).collect())
}

/// Returns the time of the last write.
fn newest_ms(transaction: &WriteTransaction) -> Result<u64, TransactionFault> {
    let clock = TrustedClock::read(transaction)?;
    if clock != TrustedClock::default() {
        return Ok(clock.now_ms);
    }
    // A file from before the clock was stored.
    let mut newest_ms = 0;
    for mark in transaction.open_table(MARKS)?.iter()? {
        newest_ms = newest_ms.max(mark?.1.value().1);
    }
    Ok(newest_ms)
}

/// At runtime: evicts marks once they are a tenth over the limit, because an eviction scans all of
/// them.
pub(super) fn crowd_out_marks(transaction: &WriteTransaction) -> Result<(), TransactionFault> {
    if transaction.open_table(MARKS)?.len()? <= MARKS_MAX + MARKS_MAX / 10 {
        return Ok(());
    }
    forget_marks(transaction, MARKS_MAX)
}

/// Keeps at most `marks_max` marks: the most recently written.
pub(super) fn forget_marks(transaction: &WriteTransaction, marks_max: u64) -> Result<(), TransactionFault> {
    let mut marks = transaction.open_table(MARKS)?;
    let too_many = marks.len()?.saturating_sub(marks_max) as usize;
    if too_many == 0 {
        return Ok(());
    }
    let mut received = Vec::with_capacity(marks.len()? as usize);
    for mark in marks.iter()? {
        received.push(mark?.1.value().1);
    }
    let oldest_ms = *received.select_nth_unstable(too_many).1;
    // Many have the same time; of those, only as many are deleted as necessary.
    let mut of_the_oldest = too_many - received.iter().filter(|last_message_ms| **last_message_ms < oldest_ms).count();
    marks.retain(|_, (_, last_message_ms)| {
        let goes = last_message_ms < oldest_ms || (last_message_ms == oldest_ms && of_the_oldest > 0);
        of_the_oldest -= usize::from(goes && last_message_ms == oldest_ms);
        !goes
    })?;
    Ok(())
}
