//! What one control plane stores for the next: which processes are attached, and which counters are exposed.

use mesh::golden::GoldenMetrics;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::store::codec;
use crate::store::metrics_store::{Handover, Process, SeriesName};
use crate::store::redb::fault::TransactionFault;
use crate::store::redb::series_ids;
use crate::store::redb::tables::{ATTACHED, EXPOSED};

/// Reads the processes that were attached.
pub(super) fn attached(transaction: &ReadTransaction) -> Result<Vec<Process>, TransactionFault> {
    let mut attached = Vec::new();
    for row in transaction.open_table(ATTACHED)?.iter()? {
        let (key, _) = row?;
        let (pod_uid, epoch) = key.value();
        attached.push(Process { pod_uid: pod_uid.to_owned(), epoch });
    }
    Ok(attached)
}

/// Reads the counters that were exposed.
pub(super) fn exposed(transaction: &ReadTransaction) -> Result<Vec<(SeriesName, GoldenMetrics)>, TransactionFault> {
    let mut exposed = Vec::new();
    for row in transaction.open_table(EXPOSED)?.iter()? {
        let (name, bytes) = row?;
        let mut golden = GoldenMetrics::default();
        codec::add(bytes.value(), &mut golden).and_then(codec::whole)?;
        exposed.push((series_ids::read(name.value())?, golden));
    }
    Ok(exposed)
}

/// Writes changes within a transaction, without a commit.
pub(super) fn record(transaction: &WriteTransaction, handover: &Handover) -> Result<(), TransactionFault> {
    let mut attached = transaction.open_table(ATTACHED)?;
    for process in &handover.detached {
        attached.remove((process.pod_uid.as_str(), process.epoch))?;
    }
    for process in &handover.attached {
        attached.insert((process.pod_uid.as_str(), process.epoch), ())?;
    }
    let mut exposed = transaction.open_table(EXPOSED)?;
    for name in &handover.withdrawn {
        exposed.remove(series_ids::write(name).as_slice())?;
    }
    let mut bytes = Vec::with_capacity(256);
    for (name, golden) in &handover.exposed {
        bytes.clear();
        codec::write(golden, &mut bytes);
        exposed.insert(series_ids::write(name).as_slice(), bytes.as_slice())?;
    }
    Ok(())
}
