//! Tests that the metrics store holds each append once, in slots of three lengths.

use std::collections::BTreeMap;

use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::store::metrics_store::{Advance, AppendRow, SeriesName, SlotRange};
use crate::store::redb::tests::*;
use crate::store::rollup::WINDOW_MS;

/// A whole hour since the Unix epoch.
pub(in crate::store::redb) const HOUR_MS: u64 = 1_763_647_200_000;

pub(in crate::store::redb) fn hits(hits: u64) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    golden.hits = hits;
    golden.add_status(200, hits);
    for _ in 0..hits {
        golden.time(1000 * hits, 500);
    }
    golden
}

pub(in crate::store::redb) fn row(route: &str, slots: &[(u64, u64)]) -> AppendRow {
    let endpoint = Endpoint::named("GET", route).unwrap();
    let name = SeriesName { namespace: "default".into(), service: "shop".into(), endpoint };
    let slots: BTreeMap<_, _> = slots.iter().map(|(slot, count)| (*slot, hits(*count))).collect();
    let seen = slots.keys().map(|slot| Seen::at(slot * WINDOW_MS)).reduce(Seen::and);
    AppendRow { name, is_file: false, seen, slots }
}

pub(in crate::store::redb) fn advance(pod: &str, from: u64, to: u64) -> Advance {
    Advance { process: Process { pod_uid: pod.into(), epoch: 7 }, from, to }
}

/// Returns the total of a route, and its slots of one length with their hits.
pub(in crate::store::redb) fn kept(store: &RedbStore, route: &str, resolution: Resolution) -> (u64, Vec<(u64, u64)>) {
    let (mut total, mut slots) = (0, Vec::new());
    store
        .view(&mut |view| {
            let series = view.series()?;
            let (number, kept) = series.iter().find(|(_, kept)| kept.name.endpoint.route() == route).unwrap();
            total = kept.total.hits;
            view.each_slot(SlotRange { resolution, from_ms: 0, to_ms: 1 << 42 }, None, &mut |slot| {
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
    let processes = ["p", "q", "missing"].map(|pod| Process { pod_uid: pod.into(), epoch: 7 });
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
