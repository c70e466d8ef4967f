//! Property tests of the caller table: the sum holds in any order, the size is bounded, active callers keep their rows.

use core::net::Ipv4Addr;
use std::collections::HashMap;

use proptest::prelude::*;

use crate::callers::*;

fn address(number: u32) -> Option<IpAddr> {
    0x0a00_0000_u32.checked_add(number).map(|bits| Ipv4Addr::from(bits).into())
}

fn calls(hits: u64, last_ms: u64) -> Calls {
    Calls { hits, failures: hits / 2, last_ms }
}

fn hits_of(callers: &Callers, wanted: Option<IpAddr>) -> Option<u64> {
    callers.named().find(|(address, _)| Some(*address) == wanted).map(|(_, calls)| calls.hits)
}

#[test]
fn a_caller_is_one_row_however_its_address_is_written() {
    let mut callers = Callers::default();
    callers.add("::ffff:10.0.0.1".parse().ok(), calls(1, 5));
    callers.add(address(1), calls(2, 4));
    callers.add("2001:db8::1".parse().ok(), calls(3, 4));
    callers.add(None, calls(4, 4));
    let mut named: Vec<_> = callers.named().map(|(address, calls)| (address.to_string(), calls.hits, calls.last_ms)).collect();
    named.sort();
    assert_eq!(named, [("10.0.0.1".to_owned(), 3, 5), ("2001:db8::1".to_owned(), 3, 4)]);
    assert_eq!((callers.others().hits, callers.sum().hits), (4, 10));
}

#[test]
fn a_million_addresses_change_neither_the_size_nor_who_is_named() {
    let mut callers = Callers::default();
    callers.add(address(0), calls(1, 1));
    for number in 1..1_000_000 {
        callers.add(address(number), Calls::one(u64::from(number / 1000), false));
        if number % 1000 == 0 {
            callers.add(address(0), Calls::one(u64::from(number / 1000), true));
        }
    }
    assert_eq!((callers.named().count(), callers.named.capacity()), (CALLERS_MAX, CALLERS_MAX));
    assert_eq!(hits_of(&callers, address(0)), Some(1000));
    assert_eq!((callers.sum().hits, callers.sum().failures), (1_000_999, 999));
}

#[test]
fn a_long_silent_caller_makes_room_and_its_hits_are_the_others() {
    let mut callers = Callers::default();
    for number in 0..CALLERS_MAX as u32 {
        callers.add(address(number), calls(10, u64::from(number)));
    }
    assert_eq!(callers.add(address(99), calls(1, STALE_MS - 1)), CallerRow::Others);
    assert_eq!(callers.add(address(99), calls(1, STALE_MS)), CallerRow::Named, "the first has been silent for long enough");
    assert_eq!((hits_of(&callers, address(0)), hits_of(&callers, address(99))), (None, Some(1)));
    assert_eq!(callers.others(), Calls { hits: 11, failures: 5, last_ms: STALE_MS - 1 });
    assert_eq!(callers.sum().hits, 10 * CALLERS_MAX as u64 + 2);
}

#[test]
fn taken_counts_are_reported_once_and_rows_stay_named() {
    let mut callers = Callers::default();
    callers.add(address(1), calls(3, 7));
    callers.add(None, calls(1, 8));
    let taken = callers.take();
    assert_eq!((hits_of(&taken, address(1)), taken.others().hits), (Some(3), 1));
    assert!(callers.take().is_empty() && !callers.is_empty());
    for number in 2..100 {
        callers.add(address(number), calls(1, 9));
    }
    callers.add(address(1), calls(5, 9));
    assert_eq!(hits_of(&callers.take(), address(1)), Some(5), "it was named before the others came");
}

proptest! {
    #[test]
    fn the_sum_is_that_of_everything_added(
        added in prop::collection::vec((0..80_u32, 1..1000_u64, 0..4 * STALE_MS), 0..300),
        parts in 1..5_usize,
        rounds in 1..5_usize,
    ) {
        let mut expected: HashMap<u32, u64> = HashMap::new();
        let mut workers = vec![Callers::default(); parts];
        let (mut ledger, mut reported) = (Callers::default(), Callers::default());
        for (at, (number, hits, last_ms)) in added.iter().enumerate() {
            *expected.entry(*number).or_default() += hits;
            workers[at % parts].add(address(*number).filter(|_| *number > 0), calls(*hits, *last_ms));
            if at % (10 * rounds) == 0 {
                for worker in &mut workers {
                    let taken = worker.take();
                    ledger.merge(&taken);
                    reported.merge(&taken);
                }
            }
        }
        for worker in &mut workers {
            ledger.merge(&worker.take());
        }
        let all: u64 = expected.values().sum();
        prop_assert_eq!(ledger.sum().hits, all);
        prop_assert!(ledger.named().count() <= CALLERS_MAX && reported.named().count() <= CALLERS_MAX);
        for (address, calls) in ledger.named() {
            let IpAddr::V4(address) = address else { panic!("{address}") };
            let number = u32::from(address) - 0x0a00_0000;
            prop_assert!(calls.hits <= expected[&number], "no caller is reported with more calls than it made");
        }
        if expected.len() <= CALLERS_MAX {
            prop_assert_eq!(ledger.named().count(), expected.keys().filter(|number| **number > 0).count());
            prop_assert_eq!(ledger.others().hits, expected.get(&0).copied().unwrap_or(0));
        }
    }
}
