//! Tests that slots are kept for their time and within the size limit, and that deleted slots are reported as missing.

use std::time::Duration;

use crate::store::redb::tests::windows::{HOUR_MS, kept, row};
use crate::store::redb::tests::*;
use crate::store::rollup::WINDOW_MS;

const HOUR: u64 = 3_600_000;

/// Returns the start of the complete slots of each length.
fn whole_since(store: &RedbStore) -> [u64; 3] {
    let mut since = [0; 3];
    let mut look = |view: &dyn StoreView| {
        for (since, resolution) in since.iter_mut().zip(Resolution::ALL) {
            *since = view.whole_since_ms(resolution)?;
        }
        Ok(())
    };
    store.view(&mut look).unwrap();
    since
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
    let store = RedbStore::open_with(folder.path(), keep).unwrap();
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
    assert_eq!(whole_since(&store), [HOUR_MS + 5_410_000, HOUR_MS + 5_460_000, HOUR_MS + 2 * HOUR]);
}

#[test]
fn over_its_size_the_oldest_and_finest_slots_go_first_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open_with(folder.path(), Keep { bytes_max: 40_000, ..Keep::DEFAULT }).unwrap();
    let slot = HOUR_MS / WINDOW_MS;
    for at in 0..1000 {
        let now_ms = HOUR_MS + at * WINDOW_MS;
        store.append(&Append { rows: vec![row("/a", &[(slot + at, 3)])], advances: vec![], now_ms }).unwrap();
    }

    let (total, newest) = kept(&store, "/a", Resolution::TenSeconds);
    let size = store.size().unwrap();
    assert_eq!((total, newest.last()), (3000, Some(&(HOUR_MS + 9_990_000, 3))));
    assert!(newest.len() < 600 && size.crowded_out >= 400, "{size:?}");
    assert_eq!(whole_since(&store), [newest[0].0, 0, 0]);
    assert!(size.slot_bytes.iter().sum::<u64>() < 40_000, "{size:?}");
    assert_eq!(
        kept(&store, "/a", Resolution::Minute).1.len(),
        167,
        "minutes go only when shorter slots take no more than they are sure of"
    );
    assert_eq!(kept(&store, "/a", Resolution::Hour).1.iter().map(|(_, hits)| hits).sum::<u64>(), 3000);
}

#[test]
fn when_hours_alone_are_too_many_they_go_too_and_the_last_hours_stay_fine() {
    let folder = tempfile::tempdir().unwrap();
    let keep = Keep { bytes_max: 100_000, ..Keep::DEFAULT };
    let store = RedbStore::open_with(folder.path(), keep).unwrap();
    for hour in 0..2000 {
        let now_ms = HOUR_MS + hour * HOUR;
        store.append(&Append { rows: vec![row("/a", &[(now_ms / WINDOW_MS, 3)])], advances: vec![], now_ms }).unwrap();
    }

    let size = store.size().unwrap();
    assert!(size.slot_bytes.iter().sum::<u64>() < 100_000, "{size:?}");
    let (total, hours) = kept(&store, "/a", Resolution::Hour);
    assert_eq!((total, hours.last()), (6000, Some(&(HOUR_MS + 1999 * HOUR, 3))));
    assert!(hours.len() < 1500, "{size:?}");
    assert_eq!(whole_since(&store)[2], hours[0].0);
    assert_eq!(kept(&store, "/a", Resolution::TenSeconds).1.len(), 7, "{size:?}");
    assert_eq!(kept(&store, "/a", Resolution::Minute).1.len(), 169, "{size:?}");
}

#[test]
fn a_clock_that_is_a_year_ahead_for_a_minute_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let slot = HOUR_MS / WINDOW_MS;
    store.append(&Append { rows: vec![row("/a", &[(slot, 1)])], advances: vec![], now_ms: HOUR_MS }).unwrap();
    let ahead_ms = HOUR_MS + 365 * 24 * HOUR;
    for at in 1..6 {
        let now_ms = ahead_ms + at * WINDOW_MS;
        store.append(&Append { rows: vec![row("/a", &[(slot + at, 1)])], advances: vec![], now_ms }).unwrap();
    }
    let now_ms = HOUR_MS + 6 * WINDOW_MS;
    store.append(&Append { rows: vec![row("/a", &[(slot + 6, 1)])], advances: vec![], now_ms }).unwrap();

    let each: Vec<_> = (0..7).map(|at| (HOUR_MS + at * WINDOW_MS, 1)).collect();
    assert_eq!(kept(&store, "/a", Resolution::TenSeconds), (7, each));
    assert_eq!(kept(&store, "/a", Resolution::Minute).1, [(HOUR_MS, 6), (HOUR_MS + 60_000, 1)]);
    assert_eq!(kept(&store, "/a", Resolution::Hour).1, [(HOUR_MS, 7)]);
    assert_eq!(whole_since(&store), [0; 3]);
}
