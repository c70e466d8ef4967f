//! Tests that commands become revisions, and that revisions end, exactly as they should.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mesh::rule::{Action, Protection, Scope};
use mesh::workload::Workload;
use proto::convert::greeting::Greeting;

use crate::model::rule_record::RuleChange;
use crate::model::rule_record::StoredRules;
use crate::rules::command::Unseen;
use crate::rules::*;

const NOW_MS: u64 = 1_763_647_661_000;

/// A store on a disk that may be full.
#[derive(Debug, Default)]
struct Disk {
    is_full: Arc<AtomicBool>,
}

impl Store for Disk {
    fn load(&self) -> Result<StoredRules, StoreError> {
        Ok(StoredRules { store: "test".into(), ..StoredRules::default() })
    }

    fn commit(&self, _change: &RuleChange) -> Result<(), StoreError> {
        let why = || StoreError::Write { file: "disk".into(), why: "no space left".into() };
        if self.is_full.load(Ordering::Relaxed) { Err(why()) } else { Ok(()) }
    }
}

fn fleet() -> Arc<Fleet> {
    let fleet = Fleet::new(Duration::from_secs(3600));
    let workload = Workload {
        namespace: "default".into(),
        service: "shop".into(),
        pod: "shop-1".into(),
        pod_uid: "shop-1".into(),
        node: String::new(),
        addresses: vec![],
        version: String::new(),
    };
    let greeting = Greeting { workload, epoch: 1, session: 1, protected: vec![], uptime: None, known: None };
    drop(fleet.attach(greeting, NOW_MS).expect("there is room"));
    Arc::new(fleet)
}

fn command(route: &str) -> Command {
    Command {
        namespace: None,
        service: "shop".into(),
        method: "GET".into(),
        route: route.into(),
        scope: Scope::Endpoint,
        unseen: Unseen::Allowed,
        selection: decorators::selection::Selection::default(),
        protection: Protection::Respected,
        action: Action::Disable { status: 503 },
        pods: vec![],
        ttl: None,
        reason: "a test".into(),
    }
}

#[tokio::test]
async fn what_cannot_be_written_down_has_not_happened() {
    let disk = Disk::default();
    let is_full = Arc::clone(&disk.is_full);
    let rules = Rules::open(Arc::new(disk), fleet(), NOW_MS).unwrap();
    let made = rules.create(command("/a"), "operator").await.unwrap();

    is_full.store(true, Ordering::Relaxed);
    let refused = rules.create(command("/b"), "operator").await.unwrap_err();
    assert!(matches!(refused, CommandError::Store(_)), "{refused}");
    assert!(rules.withdraw(&made.rule.id, "operator").await.is_err());

    assert_eq!(rules.state().revision, 1);
    assert_eq!(rules.state().in_force().count(), 1, "the rule stays, and nothing was added");
    assert_eq!(rules.state().audit().count(), 1);
}

#[tokio::test]
async fn commands_at_the_same_time_follow_each_other() {
    let rules = Rules::open(Arc::new(Disk::default()), fleet(), NOW_MS).unwrap();

    let commands = (0_u8..20).map(|number| {
        let rules = rules.clone();
        async move { rules.create(command(&format!("/{}", char::from(b'a' + number % 10))), "operator").await.is_ok() }
    });
    let made = futures_util::future::join_all(commands).await.into_iter().filter(|made| *made).count();

    let state = rules.state();
    let mut revisions: Vec<_> = state.in_force().map(|record| record.revision).collect();
    revisions.sort_unstable();
    assert_eq!((made, state.revision), (10, 10), "the second of two equal ones is refused");
    assert_eq!(revisions, (1..=10).collect::<Vec<_>>());
    assert_eq!(state.audit_entries, 20);
}

#[tokio::test]
async fn ended_rules_make_room_for_those_that_end_later() {
    let rules = Rules::open(Arc::new(Disk::default()), fleet(), NOW_MS).unwrap();
    for _ in 0..crate::model::rules_state::ENDED_MAX + 5 {
        let made = rules.create(command("/a"), "operator").await.unwrap();
        rules.withdraw(&made.rule.id, "operator").await.unwrap();
    }
    assert_eq!(rules.state().ended().count(), crate::model::rules_state::ENDED_MAX);
    assert!(rules.status("r1").is_none() && rules.status("r2009").is_some());
}

#[tokio::test]
async fn a_command_that_was_decided_on_rules_of_the_past_is_decided_again() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(crate::store::redb::RedbStore::open(folder.path()).unwrap());
    let [one, two] = [(), ()].map(|()| Rules::open(Arc::clone(&store), fleet(), NOW_MS).unwrap());

    let first = one.create(command("/a"), "anna").await.unwrap();
    let second = two.create(command("/b"), "ben").await.unwrap();
    let again = two.create(command("/a"), "ben").await.unwrap_err();

    assert_eq!((first.revision, second.revision), (1, 2));
    assert!(matches!(again, CommandError::Duplicate(_)), "the second knows the rules of the first: {again}");
    assert_eq!(two.state().audit_entries, 3);
    one.refresh().await.unwrap();
    assert_eq!((one.revision(), one.state().in_force().count(), one.state().audit_entries), (2, 2, 3));
}
