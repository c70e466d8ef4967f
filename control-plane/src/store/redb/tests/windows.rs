//! Proofs that the record holds what was appended, in slots of three lengths, for its time and within its size.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::store::chronicle::{Advance, Row, SeriesName, Stretch};
use crate::store::rollup::WINDOW_MS;

use super::*;

/// A whole hour since the Unix epoch.
const HOUR_MS: u64 = 1_763_647_200_000;

pub(super) fn hits(hits: u64) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    golden.hits = hits;
    golden.add_status(200, hits);
    for _ in 0..hits {
        golden.time(1000 * hits, 500);
    }
    golden
}

pub(super) fn row(route: &str, slots: &[(u64, u64)]) -> Row {
    let endpoint = Endpoint::named("GET", route).unwrap();
    let name = SeriesName { namespace: "default".into(), service: "shop".into(), endpoint };
    let slots: BTreeMap<_, _> = slots.iter().map(|(slot, count)| (*slot, hits(*count))).collect();
    let seen = slots.keys().map(|slot| Seen::at(slot * WINDOW_MS)).reduce(Seen::and);
    Row { name, is_file: false, seen, slots }
}

pub(super) fn advance(pod: &str, from: u64, to: u64) -> Advance {
    Advance { process: Process { pod_uid: pod.into(), epoch: 7 }, from, to }
}

/// Everything that is kept of a route, and its slots of one length: when, and how many hits.
fn kept(store: &RedbStore, route: &str, resolution: Resolution) -> (u64, Vec<(u64, u64)>) {
    let (mut total, mut slots) = (0, Vec::new());
    store
        .view(&mut |view| {
            let series = view.series()?;
            let (number, kept) = series.iter().find(|(_, kept)| kept.name.endpoint.route() == route).unwrap();
            total = kept.total.hits;
            view.each_slot(Stretch { resolution, from_ms: 0, to_ms: 1 << 42 }, None, &mut |slot| {
                let mut golden = GoldenMetrics::default();
                slot.add_to(&mut golden)?;
                if slot.series == *number {
                    slots.push((slot.from_ms, golden.hits));
                }
                Ok(())
            })
        })
        .unwrap();
    (total, slots)
}

#[test]
fn what_is_appended_is_in_slots_of_all_lengths_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let slot = HOUR_MS / WINDOW_MS;
    let now_ms = HOUR_MS + 100_000;
    let first = Append {
        rows: vec![row("/a", &[(slot, 1), (slot + 7, 2)]), row("/b", &[(slot, 5)])],
        advances: vec![advance("p", 0, slot + 7)],
        now_ms,
    };
    store.append(&first).unwrap();
    store.append(&Append { rows: vec![row("/a", &[(slot, 4)])], advances: vec![advance("q", 0, slot)], now_ms }).unwrap();
    drop(store);

    let store = RedbStore::open(folder.path()).unwrap();

    assert_eq!(kept(&store, "/a", Resolution::TenSeconds), (7, vec![(HOUR_MS, 5), (HOUR_MS + 70_000, 2)]));
    assert_eq!(kept(&store, "/a", Resolution::Minute), (7, vec![(HOUR_MS, 5), (HOUR_MS + 60_000, 2)]));
    assert_eq!(kept(&store, "/a", Resolution::Hour), (7, vec![(HOUR_MS, 7)]));
    assert_eq!(kept(&store, "/b", Resolution::Hour), (5, vec![(HOUR_MS, 5)]));
    let processes = ["p", "q", "nobody"].map(|pod| Process { pod_uid: pod.into(), epoch: 7 });
    assert_eq!(store.marks(&processes).unwrap(), [slot + 7, slot, 0]);
    let size = store.size().unwrap();
    assert_eq!(size.slots, [3, 3, 2]);
    assert!(size.file_bytes > size.slot_bytes.iter().sum(), "{size:?}");
}

#[test]
fn a_mark_that_has_moved_in_between_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let slot = HOUR_MS / WINDOW_MS;
    store
        .append(&Append { rows: vec![row("/a", &[(slot, 1)])], advances: vec![advance("p", 0, slot)], now_ms: HOUR_MS })
        .unwrap();

    let stale = Append { rows: vec![row("/a", &[(slot, 1)])], advances: vec![advance("p", 0, slot + 1)], now_ms: HOUR_MS };

    assert!(matches!(store.append(&stale), Err(StoreError::Stale { .. })));
    assert_eq!(kept(&store, "/a", Resolution::TenSeconds), (1, vec![(HOUR_MS, 1)]));
}

#[test]
fn slots_go_when_their_time_is_over_and_what_comes_too_late_is_in_the_oldest_hour() {
    let folder = tempfile::tempdir().unwrap();
    let keep = Keep {
        ten_seconds: Duration::from_secs(3600),
        minutes: Duration::from_secs(2 * 3600),
        hours: Duration::from_secs(4 * 3600),
        ..Keep::DEFAULT
    };
    let store = RedbStore::keeping(folder.path(), keep).unwrap();
    let slot = HOUR_MS / WINDOW_MS;
    store.append(&Append { rows: vec![row("/a", &[(slot, 1)])], advances: vec![], now_ms: HOUR_MS }).unwrap();
    store.append(&Append { rows: vec![row("/a", &[(slot + 540, 2)])], advances: vec![], now_ms: HOUR_MS + 5_400_000 }).unwrap();
    assert_eq!(kept(&store, "/a", Resolution::TenSeconds).1, [(HOUR_MS + 5_400_000, 2)]);
    assert_eq!(kept(&store, "/a", Resolution::Minute).1, [(HOUR_MS, 1), (HOUR_MS + 5_400_000, 2)]);

    let now_ms = HOUR_MS + 6 * 3_600_000;
    store.append(&Append { rows: vec![row("/a", &[(slot - 9000, 4)])], advances: vec![], now_ms }).unwrap();

    assert_eq!(kept(&store, "/a", Resolution::TenSeconds), (7, vec![]));
    assert_eq!(kept(&store, "/a", Resolution::Minute), (7, vec![]));
    assert_eq!(kept(&store, "/a", Resolution::Hour), (7, vec![(HOUR_MS + 2 * 3_600_000, 4)]));
    assert_eq!(store.size().unwrap().slots, [0, 0, 1]);
}

#[test]
fn over_its_size_the_oldest_and_finest_slots_go_first_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::keeping(folder.path(), Keep { bytes_max: 40_000, ..Keep::DEFAULT }).unwrap();
    let slot = HOUR_MS / WINDOW_MS;
    for at in 0..1000 {
        let now_ms = HOUR_MS + at * WINDOW_MS;
        store.append(&Append { rows: vec![row("/a", &[(slot + at, 3)])], advances: vec![], now_ms }).unwrap();
    }

    let (total, newest) = kept(&store, "/a", Resolution::TenSeconds);
    let size = store.size().unwrap();
    assert_eq!((total, newest.last()), (3000, Some(&(HOUR_MS + 9_990_000, 3))));
    assert!(newest.len() < 600 && size.crowded_out >= 400, "{size:?}");
    assert!(size.slot_bytes.iter().sum::<u64>() < 40_000, "{size:?}");
    assert_eq!(kept(&store, "/a", Resolution::Minute).1.len(), 167, "minutes go only when no shorter slots are left");
    assert_eq!(kept(&store, "/a", Resolution::Hour).1.iter().map(|(_, hits)| hits).sum::<u64>(), 3000);
}

#[test]
fn series_that_were_silent_for_as_long_as_anything_is_kept_are_forgotten_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let (old, new) = (1_000_000_000_000 / WINDOW_MS, now_ms() / WINDOW_MS);
    store
        .append(&Append {
            rows: vec![row("/old", &[(old, 1)])],
            advances: vec![advance("old", 0, old)],
            now_ms: 1_000_000_000_000,
        })
        .unwrap();
    store
        .append(&Append { rows: vec![row("/new", &[(new, 1)])], advances: vec![advance("new", 0, new)], now_ms: now_ms() })
        .unwrap();
    drop(store);

    let store = RedbStore::open(folder.path()).unwrap();

    let mut routes = Vec::new();
    let mut look = |view: &dyn View| {
        routes.extend(view.series()?.into_values().map(|kept| kept.name.endpoint.route().to_owned()));
        Ok(())
    };
    store.view(&mut look).unwrap();
    assert_eq!(routes, ["/new"]);
    assert_eq!(store.marks(&[Process { pod_uid: "old".into(), epoch: 7 }]).unwrap(), [0]);
}
