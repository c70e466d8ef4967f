//! Tests that nothing is evicted too early: neither recent counts, nor the marks of processes.

use mesh::report::Seen;

use crate::store::metrics_store::AppendRow;
use crate::store::redb::evict::{forget_marks, forget_series, silent};
use crate::store::redb::tests::windows::{HOUR_MS, advance, row};
use crate::store::redb::tests::*;
use crate::store::rollup::WINDOW_MS;

const DAY_MS: u64 = 24 * 3_600_000;

/// Writes a count of this route at that time.
fn write(store: &RedbStore, route: &str, pod: &str, now_ms: u64) {
    let slot = now_ms / WINDOW_MS;
    let append = Append { rows: vec![row(route, &[(slot, 1)])], advances: vec![advance(pod, 0, slot)], now_ms };
    store.append(&append).unwrap();
}

/// Returns the stored series by number.
fn series(store: &RedbStore) -> Vec<(u32, String)> {
    let mut all = Vec::new();
    let mut look = |view: &dyn StoreView| {
        let each = view.series()?.into_iter();
        all.extend(each.map(|(number, kept)| (number, kept.name.endpoint.route().to_owned())));
        Ok(())
    };
    store.view(&mut look).unwrap();
    all
}

fn mark(store: &RedbStore, pod: &str) -> u64 {
    store.marks(&[Process { pod_uid: pod.into(), epoch: 7 }]).unwrap()[0]
}

fn reopened(store: RedbStore, folder: &Path) -> RedbStore {
    drop(store);
    RedbStore::open(folder).unwrap()
}

#[test]
fn series_that_were_silent_for_as_long_as_anything_is_kept_are_forgotten_at_the_start_and_marks_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    write(&store, "/old", "old", HOUR_MS);
    for day in 1..=100 {
        write(&store, "/new", &format!("new-{day}"), HOUR_MS + day * DAY_MS);
    }

    let store = reopened(store, folder.path());

    assert_eq!(series(&store), [(1, "/new".to_owned())]);
    // The process may live on without traffic, and would send everything again.
    assert_eq!(mark(&store, "old"), HOUR_MS / WINDOW_MS);
}

#[test]
fn of_too_many_series_those_that_were_silent_longest_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    for (number, minute) in [3, 1, 5, 2, 4].into_iter().enumerate() {
        write(&store, &format!("/{number}"), &format!("pod-{number}"), HOUR_MS + minute * 60_000);
    }
    let forget = |transaction: &WriteTransaction| forget_series(transaction, &silent(transaction, 0, 3)?);
    store.write(forget).unwrap();
    assert_eq!(series(&store), [(0, "/0".to_owned()), (2, "/2".to_owned()), (4, "/4".to_owned())]);
}

#[test]
fn a_series_that_was_given_back_begins_anew_and_its_slots_are_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    write(&store, "/a", "pod-1", HOUR_MS);
    write(&store, "/b", "pod-2", HOUR_MS);
    let name = row("/a", &[]).name;

    store.forget(&[name.clone(), row("/unknown", &[]).name]).unwrap();
    assert_eq!(series(&store), [(1, "/b".to_owned())]);

    write(&store, "/a", "pod-3", HOUR_MS + 60_000);
    let store = reopened(store, folder.path());
    assert_eq!(series(&store), [(1, "/b".to_owned()), (2, "/a".to_owned())]);
    let mut total = 0;
    let mut look = |view: &dyn StoreView| {
        total = view.series()?[&2].total.hits;
        Ok(())
    };
    store.view(&mut look).unwrap();
    assert_eq!(total, 1, "what it had counted before is forgotten");
}

#[test]
fn a_number_is_never_given_again_since_slots_may_outlive_their_series() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    for day in 0..100 {
        write(&store, "/kept", &format!("kept-{day}"), HOUR_MS + day * DAY_MS);
        if day == 0 {
            write(&store, "/gone", "gone", HOUR_MS);
        }
    }

    let store = reopened(store, folder.path());
    write(&store, "/new", "new", HOUR_MS + 100 * DAY_MS);

    assert_eq!(series(&store), [(0, "/kept".to_owned()), (2, "/new".to_owned())]);
}

#[test]
fn a_pod_whose_clock_stands_in_1970_does_not_make_its_series_old() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let seen = Some(Seen::at(3_600_000));
    let rows = vec![AppendRow { seen, ..row("/a", &[(HOUR_MS / WINDOW_MS, 1)]) }];
    store.append(&Append { rows, advances: vec![advance("p", 0, 360)], now_ms: HOUR_MS }).unwrap();

    let store = reopened(store, folder.path());

    assert_eq!(series(&store), [(0, "/a".to_owned())]);
}

#[test]
fn a_minute_in_the_future_makes_nothing_else_old() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    write(&store, "/a", "p", HOUR_MS);
    write(&store, "/b", "q", HOUR_MS + 365 * DAY_MS);
    write(&store, "/c", "r", HOUR_MS + 20_000);

    let store = reopened(store, folder.path());

    assert_eq!(series(&store).len(), 3);
    assert_eq!(["p", "q", "r"].map(|pod| mark(&store, pod) > 0), [true; 3]);
}

#[test]
fn over_their_number_marks_go_that_were_written_first_and_no_more_than_have_to() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    write(&store, "/a", "first", HOUR_MS);
    for pod in 0..10 {
        write(&store, "/a", &format!("same-{pod}"), HOUR_MS + WINDOW_MS);
    }
    write(&store, "/a", "last", HOUR_MS + 2 * WINDOW_MS);

    store.write(|transaction| forget_marks(transaction, 6)).unwrap();

    assert_eq!((mark(&store, "first"), mark(&store, "last") > 0), (0, true));
    let left = (0..10).filter(|pod| mark(&store, &format!("same-{pod}")) > 0).count();
    assert_eq!(left, 5);
}
