//! Rules and audit entries: read completely at startup, changed by a compare-and-set on the revision.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};

use crate::model::audit;
use crate::model::audit::ENTRIES_MAX;
use crate::model::rule_record::{RuleChange, StoredRules};
use crate::model::rules_state::AUDIT_AT_HAND_MAX;
use crate::store::redb::fault::TransactionFault;
use crate::store::redb::rule_json::RuleJson;
use crate::store::redb::tables::{AUDIT, FORMAT, NAMES, NUMBERS, RULES};

/// Reads the rules and the newest audit entries from the file.
pub(super) fn read(transaction: &ReadTransaction) -> Result<StoredRules, TransactionFault> {
    let (names, numbers) = (transaction.open_table(NAMES)?, transaction.open_table(NUMBERS)?);
    let number = |name: &str| Ok::<_, TransactionFault>(numbers.get(name)?.map_or(0, |number| number.value()));
    let format = number("format")?;
    if format != FORMAT {
        return Err(TransactionFault::Corrupt(format!(
            "it has format {format}, but this control plane supports format {FORMAT}"
        )));
    }
    let mut stored = StoredRules {
        store: names.get("store")?.map(|name| name.value().to_owned()).unwrap_or_default(),
        revision: number("revision")?,
        audit_entries: number("audit_entries")?,
        ..StoredRules::default()
    };
    for row in transaction.open_table(RULES)?.iter()? {
        let (id, bytes) = row?;
        match RuleJson::read(bytes.value()) {
            Ok(record) => stored.records.push(record),
            Err(why) => return Err(TransactionFault::corrupt(format_args!("rule {}", id.value()), why)),
        }
    }
    for row in transaction.open_table(AUDIT)?.iter()?.rev().take(AUDIT_AT_HAND_MAX) {
        let (number, bytes) = row?;
        match serde_json::from_slice::<audit::AuditEntry>(bytes.value()) {
            Ok(entry) => stored.audit.push(entry),
            Err(why) => return Err(TransactionFault::corrupt(format_args!("audit entry {}", number.value()), why)),
        }
    }
    stored.audit.reverse();
    Ok(stored)
}

/// Makes a change within a transaction if the revision is still the expected one, without a commit.
pub(super) fn change(transaction: &WriteTransaction, change: &RuleChange) -> Result<(), TransactionFault> {
    let mut numbers = transaction.open_table(NUMBERS)?;
    let revision = numbers.get("revision")?.map_or(0, |revision| revision.value());
    if revision != change.from {
        return Err(TransactionFault::Stale { expected: change.from, actual: revision });
    }
    numbers.insert("revision", change.to)?;
    let mut rules = transaction.open_table(RULES)?;
    for record in &change.put {
        rules.insert(record.rule.id.as_str(), RuleJson::bytes(record).as_slice())?;
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
