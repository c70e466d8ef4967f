//! Property tests: merging windows loses no count and no slot.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::endpoint::Endpoint;
use crate::golden::GoldenMetrics;
use crate::report::Seen;
use crate::window::{SPAN_MAX, Window, WindowRow, slot_of};

/// Consecutive windows with hits on three endpoints.
fn windows() -> impl Strategy<Value = Vec<Window>> {
    let rows = prop::collection::vec((0_usize..3, 1_u64..1_000_000), 0..6);
    prop::collection::vec((1_u64..5, rows), 1..8).prop_map(|reported| {
        let mut id = 100;
        reported
            .into_iter()
            .map(|(later, rows)| {
                id += later;
                Window::from_slot(id, rows.into_iter().map(|(at, took_us)| row(["/a", "/b", "/c"][at], took_us)).collect())
            })
            .collect()
    })
}

fn row(route: &str, took_us: u64) -> WindowRow {
    let mut golden = GoldenMetrics::default();
    golden.hits = 1;
    golden.time(took_us, took_us / 2);
    golden.add_status(200, 1);
    WindowRow { endpoint: Endpoint::named("GET", route).unwrap(), is_file: false, golden, seen: Some(Seen::at(took_us)) }
}

fn sums(windows: &[Window]) -> BTreeMap<Endpoint, GoldenMetrics> {
    let mut sums = BTreeMap::<Endpoint, GoldenMetrics>::new();
    for row in windows.iter().flat_map(|window| &window.rows) {
        sums.entry(row.endpoint.clone()).or_default().merge(&row.golden);
    }
    sums
}

/// Merges the windows, starting with the first.
fn together(windows: &[Window]) -> Window {
    let (first, rest) = windows.split_first().unwrap();
    rest.iter().fold(first.clone(), |mut sum, window| {
        sum.append(window.clone());
        sum
    })
}

proptest! {
    #[test]
    fn putting_neighbours_together_loses_nothing(windows in windows()) {
        let merged = together(&windows);
        prop_assert_eq!(sums(std::slice::from_ref(&merged)), sums(&windows));
        prop_assert_eq!((merged.id, merged.last_slot()), (windows[0].id, windows[windows.len() - 1].last_slot()));
        prop_assert!(merged.rows.is_sorted_by(|one, other| one.endpoint < other.endpoint), "each name once");
        prop_assert_eq!(merged.sum().hits, windows.iter().map(|window| window.sum().hits).sum::<u64>());
    }

    #[test]
    fn it_is_the_same_whichever_neighbours_come_together_first(windows in windows(), at in any::<prop::sample::Index>()) {
        let at = at.index(windows.len());
        let (early, late) = windows.split_at(at);
        let parts: Vec<Window> = [early, late].into_iter().filter(|part| !part.is_empty()).map(together).collect();
        let merged = together(&parts);
        prop_assert_eq!(&merged, &together(&windows));
    }

    #[test]
    fn other_names_change_no_sum(windows in windows()) {
        let mut merged = together(&windows);
        let before = merged.sum();
        merged.rename(|old| (old.route() != "/c").then(|| Endpoint::named("GET", "/{x}").unwrap()));
        prop_assert_eq!(merged.sum(), before);
        prop_assert!(merged.rows.len() <= 2);
        prop_assert!(merged.rows.is_sorted_by(|one, other| one.endpoint < other.endpoint));
    }
}

#[test]
fn a_window_says_when_it_was() {
    let mut window = Window::from_slot(slot_of(1_700_000_005_000), vec![]);
    assert_eq!((window.from_ms(), window.to_ms()), (1_700_000_000_000, 1_700_000_010_000));
    window.append(Window::from_slot(window.id + 2, vec![]));
    assert_eq!((window.span, window.to_ms()), (3, 1_700_000_030_000));
}

#[test]
fn a_leap_of_the_clock_makes_no_window_that_is_refused() {
    let mut window = Window::from_slot(5, vec![row("/a", 1)]);
    window.append(Window::from_slot(u64::MAX, vec![row("/a", 2)]));
    assert_eq!((window.span, window.sum().hits), (SPAN_MAX, 2));
}
