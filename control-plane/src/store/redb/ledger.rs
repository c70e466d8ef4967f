//! Rules and audit entries: read completely at startup, changed by a compare-and-set on the
//! revision.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};

use crate::audit::{self, ENTRIES_MAX};
use crate::rules::state::AUDIT_AT_HAND_MAX;
use crate::store::redb::FORMAT;
use crate::store::redb::fault::Fault;
use crate::store::redb::tables::{AUDIT, NAMES, NUMBERS, RULES};
use crate::store::redb::written::Written;
use crate::store::{Change, Ledger};

/// Reads the rules and the newest audit entries from the file.
pub(super) fn read(transaction: &ReadTransaction) -> Result<Ledger, Fault> {
    let (names, numbers) = (transaction.open_table(NAMES)?, transaction.open_table(NUMBERS)?);
    let number = |name: &str| Ok::<_, Fault>(numbers.get(name)?.map_or(0, |number| number.value()));
    let format = number("format")?;
    if format != FORMAT {
        return Err(Fault::Torn(format!("it is of format {format}, and this control plane knows format {FORMAT}")));
    }
    let mut ledger = Ledger {
        store: names.get("store")?.map(|name| name.value().to_owned()).unwrap_or_default(),
        revision: number("revision")?,
        audit_entries: number("audit_entries")?,
        ..Ledger::default()
    };
    for row in transaction.open_table(RULES)?.iter()? {
        let (id, bytes) = row?;
        match Written::read(bytes.value()) {
            Ok(record) => ledger.records.push(record),
            Err(why) => return Err(Fault::torn(format_args!("rule {}", id.value()), why)),
        }
    }
    for row in transaction.open_table(AUDIT)?.iter()?.rev().take(AUDIT_AT_HAND_MAX) {
        let (number, bytes) = row?;
        match serde_json::from_slice::<audit::Entry>(bytes.value()) {
            Ok(entry) => ledger.audit.push(entry),
            Err(why) => return Err(Fault::torn(format_args!("audit entry {}", number.value()), why)),
        }
    }
    ledger.audit.reverse();
    Ok(ledger)
}

/// Makes a change within a transaction if the revision is still the expected one, without a commit.
pub(super) fn change(transaction: &WriteTransaction, change: &Change) -> Result<(), Fault> {
    let mut numbers = transaction.open_table(NUMBERS)?;
    let revision = numbers.get("revision")?.map_or(0, |revision| revision.value());
    if revision != change.from {
        return Err(Fault::Stale { expected: change.from, actual: revision });
    }
    numbers.insert("revision", change.to)?;
    let mut rules = transaction.open_table(RULES)?;
    for record in &change.put {
        rules.insert(record.rule.id.as_str(), Written::bytes(record).as_slice())?;
    }
    for id in &change.drop {
        rules.remove(id.as_str())?;
    }
    let mut audit = transaction.open_table(AUDIT)?;
    for entry in &change.audit {
        let bytes = serde_json::to_vec(entry).expect("an entry is made of texts and numbers");
        audit.insert(entry.number, bytes.as_slice())?;
        numbers.insert("audit_entries", entry.number)?;
    }
    while audit.len()? > ENTRIES_MAX {
        audit.pop_first()?;
    }
    Ok(())
}
