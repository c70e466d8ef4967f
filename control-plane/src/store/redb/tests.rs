//! Tests that committed data survives a restart, and that a broken file is reported.

mod damage;
mod forgetting;
mod kills;
mod trimming;
mod upgrade;
pub(super) mod windows;

use mesh::endpoint::Endpoint;
use mesh::rule::{Action, Protection, Rule, Scope, Selector};

use crate::model::audit::{AuditEntry, AuditEvent, AuditSubject, CommandOutcome};
use crate::model::rule_record::{RuleEnding, RuleRecord};
use crate::store::redb::file::FILE;
use crate::store::redb::*;

fn record(id: &str, revision: u64) -> RuleRecord {
    let rule = Rule {
        id: id.into(),
        selector: Selector { namespace: "default".into(), service: "legacy".into(), pods: vec!["legacy-1".into()] },
        endpoint: Endpoint::named("GET", "/legacy/{id}").unwrap(),
        action: Action::Disable { status: 410 },
        scope: Scope::default(),
        selection: decorators::selection::Selection::default(),
        protection: Protection::default(),
        expires_ms: Some(99),
        by: "operator".into(),
        reason: "\"quoted\" – and more".into(),
    };
    RuleRecord { rule, revision, created_ms: 7, ending: None }
}

fn entry(number: u64) -> AuditEntry {
    AuditEntry {
        number,
        at_ms: 7,
        by: "operator".into(),
        address: None,
        event: AuditEvent::TurnedOff,
        rule: Some("r1".into()),
        revision: Some(1),
        about: AuditSubject::rule(&record("r1", 1).rule),
        reason: "why not".into(),
        note: String::new(),
    }
}

fn creation(from: u64) -> RuleChange {
    let to = from + 1;
    RuleChange { from, to, put: vec![record(&format!("r{to}"), to)], drop: vec![], audit: vec![entry(to)] }
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let name = store.load().unwrap().store;
    store.commit(&creation(0)).unwrap();
    store.commit(&creation(1)).unwrap();
    let ended = RuleRecord {
        ending: Some(RuleEnding {
            at_ms: 9,
            revision: 3,
            by: None,
            outcome: Some(CommandOutcome { applied: 2, of: 3, refused: 0, slowest_ms: 44 }),
        }),
        ..record("r1", 1)
    };
    store
        .commit(&RuleChange { from: 2, to: 3, put: vec![ended.clone()], drop: vec!["r2".into()], audit: vec![entry(3)] })
        .unwrap();
    drop(store);

    let stored = RedbStore::open(folder.path()).unwrap().load().unwrap();

    assert_eq!((stored.store, stored.revision, stored.audit_entries), (name, 3, 3));
    assert_eq!(stored.records, [ended]);
    assert_eq!(stored.audit, [entry(1), entry(2), entry(3)]);
}

#[test]
fn a_decision_on_an_old_state_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    store.commit(&creation(0)).unwrap();

    let stale = store.commit(&creation(0)).unwrap_err();

    assert!(matches!(stale, StoreError::Stale { expected: 0, actual: 1 }), "{stale}");
    let stored = store.load().unwrap();
    assert_eq!((stored.revision, stored.records.len(), stored.audit.len()), (1, 1, 1));
}

#[test]
fn a_store_in_use_is_distinguished_from_a_file_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let _held = RedbStore::open(folder.path()).unwrap();
    let in_use = RedbStore::open(folder.path()).unwrap_err();
    assert!(matches!(in_use, StoreError::InUse { .. }) && in_use.to_string().contains("sitio.redb"), "{in_use}");

    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join(FILE), "this is no database".repeat(1000)).unwrap();
    let unreadable = RedbStore::open(other.path()).unwrap_err();
    assert!(matches!(unreadable, StoreError::Unreadable { .. }), "{unreadable:?}");
    assert_eq!(unreadable.to_string().lines().count(), 1);

    let file = other.path().join(FILE);
    let no_folder = RedbStore::open(&file).unwrap_err();
    assert!(matches!(no_folder, StoreError::Folder { .. }), "{no_folder:?}");
}
