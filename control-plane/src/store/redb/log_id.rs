//! Which log of replicas a store follows, if any.

use redb::{ReadableTable, WriteTransaction};

use crate::store::redb::fault::TransactionFault;
use crate::store::redb::tables::NAMES;

/// The key of the log's id in the table of names.
pub(super) const LOG: &str = "log";

/// In place of the id of a log: the store was that of a replica, and has been written to alone since.
pub const LEFT: &str = "left";

/// Whether the store is that of a replica.
pub(super) fn follows_a_log(transaction: &WriteTransaction) -> Result<bool, TransactionFault> {
    Ok(transaction.open_table(NAMES)?.get(LOG)?.is_some_and(|id| id.value() != LEFT))
}
