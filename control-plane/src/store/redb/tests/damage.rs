//! Tests that a truncated or overwritten file opens with whole transactions, or fails with an error of one line.

use std::fs;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::store::metrics_store::SlotRange;
use crate::store::redb::tests::windows::{advance, row};
use crate::store::redb::tests::*;
use crate::store::rollup::WINDOW_MS;

/// Number of damaged files that are tried.
const TRIES: u64 = 150;

#[test]
fn a_damaged_file_is_never_served_as_truth() {
    let (folder, now_ms) = (tempfile::tempdir().unwrap(), 1_763_647_661_000);
    let store = RedbStore::open(folder.path()).unwrap();
    let slot = now_ms / WINDOW_MS;
    for step in 0..40 {
        let from = if step == 0 { 0 } else { slot + step - 1 };
        let rows = ["/a", "/b", "/c/{id}"].map(|route| row(route, &[(slot + step, 1)])).to_vec();
        store.append(&Append { rows, advances: vec![advance("p", from, slot + step)], now_ms }).unwrap();
    }
    store.commit(&creation(0)).unwrap();
    drop(store);
    let whole = fs::read(folder.path().join(FILE)).unwrap();

    let (mut opened, mut refused) = (0, 0);
    for seed in 0..TRIES {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes = whole.clone();
        if seed % 3 == 0 {
            bytes.truncate(random.random_range(0..bytes.len()));
        } else {
            for _ in 0..random.random_range(1..20) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
        }
        fs::write(folder.path().join(FILE), bytes).unwrap();
        match RedbStore::open(folder.path()).and_then(|store| state(&store)) {
            Ok((mark, hits)) => {
                opened += 1;
                let steps = if mark == 0 { 0 } else { mark - slot + 1 };
                assert_eq!(hits, (steps * 3, steps * 3), "seed {seed}: the record does not agree with its marks");
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.to_string().lines().count(), 1, "seed {seed}: {error}");
            }
        }
    }
    assert!(opened > 0 && refused > 0, "{opened} opened and {refused} refused: nothing was tried");
}

/// Returns the mark, and the hits in totals and in minutes.
fn state(store: &RedbStore) -> Result<(u64, (u64, u64)), StoreError> {
    store.load()?;
    let (mut totals, mut slots) = (0, 0);
    store.view(&mut |view| {
        totals = view.series()?.values().map(|kept| kept.total.hits).sum();
        view.each_slot(SlotRange { resolution: Resolution::Minute, from_ms: 0, to_ms: 1 << 42 }, None, &mut |slot| {
            let mut golden = GoldenMetrics::default();
            slot.add_to(&mut golden)?;
            slots += golden.hits;
            Ok(())
        })
    })?;
    Ok((store.marks(&[advance("p", 0, 0).process])?[0], (totals, slots)))
}
