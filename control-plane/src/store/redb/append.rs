//! Appends to the metrics store: slots of three lengths, totals and marks, in one transaction.

use std::collections::BTreeMap;

use mesh::golden::GoldenMetrics;
use mesh::report::Seen;
use redb::{ReadableTable, WriteTransaction};

use crate::store::codec;
use crate::store::metrics_store::{Append, AppendRow};
use crate::store::redb::fault::TransactionFault;
use crate::store::redb::retention::TableSizes;
use crate::store::redb::series_ids::SeriesIds;
use crate::store::redb::stored_total::StoredTotal;
use crate::store::redb::tables::{MARKS, TOTALS, key, slots};
use crate::store::redb::trusted_clock::TrustedClock;
use crate::store::redb::{evict, retention};
use crate::store::rollup::{Keep, Resolution, WINDOW_MS};

/// The series that a transaction has assigned numbers to.
pub(super) type AssignedIds = Vec<(crate::store::metrics_store::SeriesName, u32)>;

/// Appends within a transaction, without a commit.
pub(super) fn append(
    transaction: &WriteTransaction,
    append: &Append,
    series_ids: &SeriesIds,
    keep: &Keep,
) -> Result<AssignedIds, TransactionFault> {
    let clock = TrustedClock::read(transaction)?.observe(append.now_ms);
    clock.write(transaction)?;
    advance(transaction, append, clock.now_ms)?;
    let mut assigned = AssignedIds::new();
    let mut numbered = Vec::with_capacity(append.rows.len());
    for row in &append.rows {
        numbered.push((series_ids.number(&row.name, &mut assigned, transaction)?, row));
    }
    // Sorted by key, so that neighbours in the tree are written one after the other.
    numbered.sort_unstable_by_key(|(number, _)| *number);
    add_to_totals(transaction, &numbered, clock.now_ms)?;
    let mut sizes = TableSizes::read(transaction)?;
    for resolution in Resolution::ALL {
        add_to_slots(transaction, resolution, &numbered, (keep, clock.now_ms), &mut sizes)?;
    }
    retention::trim(transaction, keep, clock.now_ms, &mut sizes)?;
    sizes.write(transaction)?;
    evict::crowd_out_marks(transaction)?;
    Ok(assigned)
}

/// Moves each mark, if it still has the expected value.
fn advance(transaction: &WriteTransaction, append: &Append, now_ms: u64) -> Result<(), TransactionFault> {
    let mut marks = transaction.open_table(MARKS)?;
    for advance in &append.advances {
        let process = (advance.process.pod_uid.as_str(), advance.process.epoch);
        let actual = marks.get(process)?.map_or(0, |mark| mark.value().0);
        if actual != advance.from {
            return Err(TransactionFault::Stale { expected: advance.from, actual });
        }
        marks.insert(process, (advance.to, now_ms))?;
    }
    Ok(())
}

fn add_to_totals(transaction: &WriteTransaction, rows: &[(u32, &AppendRow)], now_ms: u64) -> Result<(), TransactionFault> {
    let mut totals = transaction.open_table(TOTALS)?;
    for (number, row) in rows {
        let known = totals.get(number)?.map(|bytes| StoredTotal::read(bytes.value()));
        let mut total = known.transpose()?.unwrap_or_default();
        total.is_file |= row.is_file;
        total.written_ms = Some(now_ms);
        total.seen = total.seen.into_iter().chain(row.seen).reduce(Seen::and);
        row.slots.values().for_each(|golden| total.golden.merge(golden));
        totals.insert(number, total.bytes().as_slice())?;
    }
    Ok(())
}

fn add_to_slots(
    transaction: &WriteTransaction,
    resolution: Resolution,
    rows: &[(u32, &AppendRow)],
    (keep, now_ms): (&Keep, u64),
    sizes: &mut TableSizes,
) -> Result<(), TransactionFault> {
    let mut sums: BTreeMap<u64, GoldenMetrics> = BTreeMap::new();
    let oldest = keep.oldest(resolution, now_ms);
    for (number, row) in rows {
        for (slot, golden) in &row.slots {
            let slot = resolution.slot(slot.saturating_mul(WINDOW_MS));
            // Counts that are too late for the shorter slots go into the oldest hour.
            let slot = if resolution == Resolution::Hour { slot.max(oldest) } else { slot };
            if slot >= oldest {
                sums.entry(key(slot, *number)).or_default().merge(golden);
            } else {
                sizes.mark_incomplete(resolution, slot);
            }
        }
    }
    let mut table = transaction.open_table(slots(resolution))?;
    let mut bytes = Vec::with_capacity(256);
    for (key, mut sum) in sums {
        let before = match table.get(key)? {
            None => None,
            Some(known) => {
                codec::add(known.value(), &mut sum).and_then(codec::whole)?;
                Some(known.value().len())
            }
        };
        bytes.clear();
        codec::write(&sum, &mut bytes);
        table.insert(key, bytes.as_slice())?;
        sizes.put(resolution, before, bytes.len());
    }
    Ok(())
}
