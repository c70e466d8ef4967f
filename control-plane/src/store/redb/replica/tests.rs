//! Tests that a replica's store applies each write of a log once, and that a copy is the same store.

use crate::store::metrics_store::{Append, MetricsStore, Process};
use crate::store::redb::tests::windows::{HOUR_MS, advance, kept, row};
use crate::store::redb::{FILE, RedbStore};
use crate::store::replica_log::{LogPosition, LogWrite, Verdict};
use crate::store::rollup::{Resolution, WINDOW_MS};

fn write(route: &str, hits: u64, from: u64, to: u64) -> LogWrite {
    let rows = vec![row(route, &[(HOUR_MS / WINDOW_MS, hits)])];
    LogWrite::Append(Append { rows, advances: vec![advance("a", from, to)], now_ms: HOUR_MS })
}

#[test]
fn a_write_on_another_mark_changes_nothing_and_those_around_it_are_applied() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let writes = [write("/a", 1, 0, 5), write("/b", 10, 0, 5), write("/b", 2, 5, 6), write("/a", 4, 6, 9)];

    let verdicts = store.apply_log(&writes.iter().collect::<Vec<_>>(), 8, 3).unwrap();

    assert_eq!(verdicts, [Verdict::Taken, Verdict::Stale, Verdict::Taken, Verdict::Taken]);
    assert_eq!(store.log_position().unwrap(), LogPosition { sequence: 8, term: 3, rules_sequence: 0 });
    assert_eq!(store.marks(&[Process { pod_uid: "a".into(), epoch: 7 }]).unwrap(), [9]);
    assert_eq!((kept(&store, "/a", Resolution::Minute).0, kept(&store, "/b", Resolution::Minute).0), (5, 2));
}

#[test]
fn a_copy_of_a_store_in_use_goes_on_where_the_store_was() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = RedbStore::open(folder.path()).unwrap();
    store.begin_log("log-1").unwrap();
    store.apply_log(&[&write("/a", 3, 0, 5), &LogWrite::Sessions("[]".into())], 2, 1).unwrap();

    store.copy_to(&other.path().join(FILE)).unwrap();
    let copy = RedbStore::open(other.path()).unwrap();
    copy.apply_log(&[&write("/a", 4, 5, 6), &write("/b", 1, 6, 7)], 4, 1).unwrap();

    assert_eq!((copy.id().unwrap(), copy.log_id().unwrap()), (store.id().unwrap(), Some("log-1".to_owned())));
    assert_eq!(copy.sessions().unwrap().as_deref(), Some("[]"));
    assert_eq!((kept(&copy, "/a", Resolution::Hour).0, kept(&copy, "/b", Resolution::Hour).0), (7, 1));
    assert_eq!(copy.log_position().unwrap().sequence, 4);
}

#[test]
fn a_series_that_is_forgotten_and_counted_again_in_one_transaction_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    store.apply_log(&[&write("/a", 3, 0, 5)], 1, 1).unwrap();
    let forget = LogWrite::Forget(vec![row("/a", &[]).name]);

    store.apply_log(&[&forget, &write("/a", 4, 5, 6)], 3, 1).unwrap();

    assert_eq!(kept(&store, "/a", Resolution::Hour).0, 4);
}
