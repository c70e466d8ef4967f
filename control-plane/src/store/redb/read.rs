//! Reads the metrics store within one transaction: concurrent writes do not change what it sees.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use redb::{ReadTransaction, ReadableTable};

use crate::store::StoreError;
use crate::store::codec::Corrupt;
use crate::store::metrics_store::{SlotRange, StoreView, StoredSeries, StoredSlot};
use crate::store::redb::fault::TransactionFault;
use crate::store::redb::retention::TableSizes;
use crate::store::redb::series_ids;
use crate::store::redb::stored_total::StoredTotal;
use crate::store::redb::tables::{NUMBERS, SERIES, TOTALS, key, parts, slots};
use crate::store::rollup::Resolution;

/// Up to this many series, slots are looked up one by one; for more, the whole range of the table
/// is read.
const LOOKED_UP_MAX: usize = 8;

/// One read transaction.
pub(super) struct StoreReader<'a> {
    pub(super) transaction: ReadTransaction,
    pub(super) file: &'a Path,
}

impl StoreReader<'_> {
    fn all_series(&self) -> Result<BTreeMap<u32, StoredSeries>, TransactionFault> {
        let (names, totals) = (self.transaction.open_table(SERIES)?, self.transaction.open_table(TOTALS)?);
        let mut all = BTreeMap::new();
        for row in names.iter()? {
            let (number, bytes) = row?;
            let total = totals.get(number.value())?.map(|bytes| StoredTotal::read(bytes.value()));
            let StoredTotal { is_file, seen, golden, .. } = total.transpose()?.unwrap_or_default();
            all.insert(number.value(), StoredSeries { name: series_ids::read(bytes.value())?, is_file, seen, total: golden });
        }
        Ok(all)
    }

    fn slots(
        &self,
        stretch: SlotRange,
        only: Option<&BTreeSet<u32>>,
        see: &mut dyn FnMut(StoredSlot<'_>) -> Result<(), Corrupt>,
    ) -> Result<(), TransactionFault> {
        let step_ms = stretch.resolution.step_ms();
        let (from, to) = (stretch.from_ms.div_ceil(step_ms), stretch.to_ms.div_ceil(step_ms));
        let table = self.transaction.open_table(slots(stretch.resolution))?;
        if let Some(few) = only.filter(|only| only.len() <= LOOKED_UP_MAX) {
            for (slot, series) in (from..to).flat_map(|slot| few.iter().map(move |series| (slot, *series))) {
                if let Some(bytes) = table.get(key(slot, series))? {
                    see(StoredSlot { series, from_ms: slot * step_ms, bytes: bytes.value() })?;
                }
            }
            return Ok(());
        }
        for row in table.range(key(from, 0)..key(to.max(from), 0))? {
            let (key, bytes) = row?;
            let (slot, series) = parts(key.value());
            if only.is_none_or(|only| only.contains(&series)) {
                see(StoredSlot { series, from_ms: slot * step_ms, bytes: bytes.value() })?;
            }
        }
        Ok(())
    }

    fn oldest(&self, resolution: Resolution) -> Result<Option<u64>, TransactionFault> {
        let table = self.transaction.open_table(slots(resolution))?;
        let first = table.first()?;
        Ok(first.map(|(key, _)| parts(key.value()).0 * resolution.step_ms()))
    }

    fn whole_since(&self, resolution: Resolution) -> Result<u64, TransactionFault> {
        Ok(TableSizes::from_table(&self.transaction.open_table(NUMBERS)?)?.whole_since(resolution) * resolution.step_ms())
    }

    fn since(&self) -> Result<u64, TransactionFault> {
        Ok(self.transaction.open_table(NUMBERS)?.get("since_ms")?.map_or(0, |since_ms| since_ms.value()))
    }
}

impl StoreView for StoreReader<'_> {
    fn series(&self) -> Result<BTreeMap<u32, StoredSeries>, StoreError> {
        self.all_series().map_err(|fault| fault.into_read_error(self.file))
    }

    fn each_slot(
        &self,
        stretch: SlotRange,
        only: Option<&BTreeSet<u32>>,
        see: &mut dyn FnMut(StoredSlot<'_>) -> Result<(), Corrupt>,
    ) -> Result<(), StoreError> {
        self.slots(stretch, only, see).map_err(|fault| fault.into_read_error(self.file))
    }

    fn oldest_ms(&self, resolution: Resolution) -> Result<Option<u64>, StoreError> {
        self.oldest(resolution).map_err(|fault| fault.into_read_error(self.file))
    }

    fn whole_since_ms(&self, resolution: Resolution) -> Result<u64, StoreError> {
        self.whole_since(resolution).map_err(|fault| fault.into_read_error(self.file))
    }

    fn since_ms(&self) -> Result<u64, StoreError> {
        self.since().map_err(|fault| fault.into_read_error(self.file))
    }
}
