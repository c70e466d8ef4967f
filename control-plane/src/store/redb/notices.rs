//! Notices and their messages in the file: read completely at startup, and written as they change.

use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::notice_store::{NoticeChange, StoredNotices};
use crate::store::redb::fault::TransactionFault;
use crate::store::redb::tables::{MESSAGES, NOTICES};

/// Reads all notices and messages.
pub(super) fn read(transaction: &ReadTransaction) -> Result<StoredNotices, TransactionFault> {
    let mut stored = StoredNotices::default();
    for row in transaction.open_table(NOTICES)?.iter()? {
        let (id, bytes) = row?;
        stored.notices.push(decoded(bytes.value(), format_args!("notice {}", id.value()))?);
    }
    for row in transaction.open_table(MESSAGES)?.iter()? {
        let (number, bytes) = row?;
        stored.messages.push(decoded(bytes.value(), format_args!("message {}", number.value()))?);
    }
    Ok(stored)
}

/// Writes a change within a transaction, without a commit.
pub(super) fn write(transaction: &WriteTransaction, change: &NoticeChange) -> Result<(), TransactionFault> {
    let mut notices = transaction.open_table(NOTICES)?;
    for (id, notice) in &change.notices {
        put(&mut notices, id.as_str(), notice.as_ref())?;
    }
    let mut messages = transaction.open_table(MESSAGES)?;
    for (number, message) in &change.messages {
        put(&mut messages, *number, message.as_ref())?;
    }
    Ok(())
}

fn put<K: redb::Key + 'static>(
    table: &mut Table<'_, K, &'static [u8]>,
    key: K::SelfType<'_>,
    value: Option<&impl Serialize>,
) -> Result<(), TransactionFault> {
    match value {
        Some(value) => {
            let bytes = serde_json::to_vec(value).expect("it is made of texts and numbers");
            table.insert(key, bytes.as_slice())?;
        }
        None => drop(table.remove(key)?),
    }
    Ok(())
}

fn decoded<T: DeserializeOwned>(bytes: &[u8], what: std::fmt::Arguments<'_>) -> Result<T, TransactionFault> {
    serde_json::from_slice(bytes).map_err(|why| TransactionFault::corrupt(what, why))
}
