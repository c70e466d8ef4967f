//! Tests that totals and changes agree, whatever was reported when, and that nothing grows without bound.

use mesh::callers::{CALLERS_MAX, Callers, Calls};
use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport};
use mesh::routes::route_patterns::Pins;
use proptest::prelude::*;

use crate::ledger::{EXCHANGES_PER_REPORT_MAX, HISTORY_BYTES_MAX, Ledger};
use crate::recorder::endpoint_limiter::ENDPOINTS_MAX;

/// A worker's report of hits on an endpoint, with these latencies.
pub(crate) fn counted(route: &str, in_flight: u32, latencies_us: &[u64]) -> EndpointReport {
    let mut golden = GoldenMetrics::default();
    let mut recent = Vec::new();
    for (at, took_us) in latencies_us.iter().enumerate() {
        golden.hits += 1;
        golden.time(*took_us, *took_us);
        golden.add_status(200, 1);
        let started_ms = 1_544_042_305_989 + at as u64;
        recent.push(Exchange { started_ms, took_us: *took_us, status: 200, path: route.to_owned(), ..Exchange::default() });
    }
    EndpointReport {
        endpoint: Endpoint::named("GET", route).unwrap(),
        is_file: false,
        in_flight,
        seen: None,
        golden,
        callers: Callers::default(),
        recent,
    }
}

/// The same, but all of them failed.
fn failed(route: &str, latencies_us: &[u64]) -> EndpointReport {
    let mut report = counted(route, 0, latencies_us);
    report.recent.iter_mut().for_each(|exchange| exchange.status = 500);
    report
}

proptest! {
    #[test]
    fn the_changes_add_up_to_the_snapshot(batches in prop::collection::vec((0_usize..4, 0_u64..1_000_000, any::<bool>()), 1..60)) {
        let mut ledger = Ledger::default();
        let mut sums = std::collections::BTreeMap::<Endpoint, GoldenMetrics>::new();
        let mut add = |ledger: &mut Ledger, seq| {
            for endpoint in ledger.change(seq, 0).endpoints {
                sums.entry(endpoint.endpoint).or_default().merge(&endpoint.golden);
            }
        };
        for (seq, (route, took_us, is_reported)) in batches.iter().enumerate() {
            ledger.absorb(vec![counted(&format!("/{}", ["a", "b", "c", "d"][*route]), 0, &[*took_us])]);
            if *is_reported {
                add(&mut ledger, seq as u64);
            }
        }
        add(&mut ledger, u64::MAX);
        let snapshot = ledger.snapshot(0, 0);
        prop_assert_eq!(snapshot.endpoints.len(), sums.len());
        for endpoint in snapshot.endpoints {
            prop_assert_eq!(&endpoint.golden, &sums[&endpoint.endpoint]);
        }
    }
}

#[test]
fn what_two_workers_counted_at_one_time_adds_up() {
    let of_worker = |last: u8, in_flight: u32| {
        let mut report = counted("/a", in_flight, &[5]);
        report.callers.add(Some([10, 0, 0, last].into()), Calls::one(0, false));
        report
    };
    let mut ledger = Ledger::default();
    ledger.absorb(vec![of_worker(1, 1), of_worker(2, 2)]);
    let row = &ledger.change(1, 0).endpoints[0];
    assert_eq!((row.golden.hits, row.in_flight, row.callers.sum().hits), (2, 3, 2));
    ledger.absorb(vec![counted("/a", 1, &[])]);
    assert_eq!(ledger.change(2, 0).endpoints[0].in_flight, 1, "the number now, not a sum over time");
}

#[test]
fn an_endpoint_without_news_is_left_out_of_a_change() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![counted("/a", 1, &[5]), counted("/b", 0, &[7])]);
    let snapshot = ledger.snapshot(1, 10);
    assert_eq!((snapshot.seq, snapshot.at_ms, snapshot.coverage), (1, 10, Coverage::Snapshot));
    assert_eq!(snapshot.endpoints.len(), 2);
    assert!(ledger.change(2, 11).endpoints.is_empty());

    // Nothing was counted on /a, but its exchange in flight has ended.
    ledger.absorb(vec![counted("/a", 0, &[])]);
    let change = ledger.change(3, 12);
    assert_eq!(change.endpoints.len(), 1);
    assert_eq!((change.endpoints[0].in_flight, change.endpoints[0].golden.hits), (0, 0));
    assert_eq!(ledger.snapshot(4, 13).endpoints.len(), 2, "a snapshot leaves nothing out");
}

#[test]
fn a_maximum_is_that_of_the_change_and_an_exchange_is_reported_once() {
    let mut ledger = Ledger::default();
    ledger.set_samples_per_report(8);
    ledger.absorb(vec![failed("/a", &[900])]);
    assert_eq!(ledger.change(1, 0).endpoints[0].recent.len(), 1);
    ledger.absorb(vec![failed("/a", &[5])]);
    let change = &ledger.change(2, 0).endpoints[0];
    assert_eq!((change.golden.max_us, change.recent.len()), (5, 1));
    let snapshot = &ledger.snapshot(3, 0).endpoints[0];
    assert_eq!((snapshot.golden.max_us, snapshot.recent.len()), (900, 0));
}

#[test]
fn a_report_carries_few_exchanges_however_many_there_were() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![counted("/a", 0, &[1; 40])]);
    assert_eq!(ledger.change(0, 0).endpoints[0].recent, [], "and none that was not asked for");
    assert_eq!(ledger.history(&Endpoint::named("GET", "/a").unwrap()).len(), 36, "the newest, and the slowest besides");
    assert_eq!(ledger.history(&Endpoint::named("GET", "/b").unwrap()), []);

    ledger.set_samples_per_report(u32::MAX);
    ledger.absorb(vec![counted("/a", 0, &[1; 40])]);
    assert_eq!(ledger.change(0, 0).endpoints[0].recent, [], "what did not fail is fetched on demand");
    ledger.absorb((0..250).map(|at| failed(&format!("/a{at}"), &[1; 40])).collect());
    let report = ledger.change(1, 0);
    assert!(report.endpoints.iter().all(|endpoint| endpoint.recent.len() <= 4));
    assert!(report.endpoints.iter().map(|endpoint| endpoint.recent.len()).sum::<usize>() <= EXCHANGES_PER_REPORT_MAX);
    assert_eq!(report.endpoints.iter().map(|endpoint| endpoint.golden.hits).sum::<u64>(), 250 * 40);
}

#[test]
fn rows_pinned_later_are_merged_and_reported_once() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![counted("/users/jane", 1, &[10, 20]), counted("/users/bob", 0, &[30]), counted("/a", 0, &[1])]);
    ledger.snapshot(1, 0);
    ledger.absorb(vec![counted("/users/jane", 1, &[40])]);
    ledger.pin(Pins::new(&["/users/{name}".parse().unwrap()]));
    ledger.absorb(vec![counted("/users/bob", 0, &[50]), counted("/users/{name}", 2, &[])]);

    let change = ledger.change(2, 0);
    assert_eq!(change.endpoints.len(), 1);
    assert_eq!(change.endpoints[0].endpoint.route(), "/users/{name}");
    assert_eq!((change.endpoints[0].golden.hits, change.endpoints[0].in_flight), (2, 2), "what was not reported yet");
    let snapshot = ledger.snapshot(3, 0);
    let hits: Vec<_> = snapshot.endpoints.iter().map(|reported| (reported.endpoint.route(), reported.golden.hits)).collect();
    assert_eq!(hits, [("/a", 1), ("/users/{name}", 5)]);
}

#[test]
fn an_exchange_that_ended_before_a_pin_is_not_in_flight() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![counted("/users/jane", 1, &[])]);
    ledger.snapshot(1, 0);
    // The workers apply a pin first: the exchange has ended in their new row, which they report once more.
    ledger.absorb(vec![counted("/users/{name}", 0, &[10])]);
    ledger.pin(Pins::new(&["/users/{name}".parse().unwrap()]));

    let reported: Vec<_> =
        ledger.snapshot(2, 0).endpoints.iter().map(|reported| (reported.golden.hits, reported.in_flight)).collect();
    assert_eq!(reported, [(1, 0)]);
}

#[test]
fn all_histories_together_have_a_bound_however_many_endpoints_there_are() {
    let mut ledger = Ledger::default();
    for at in 0..ENDPOINTS_MAX {
        let mut report = counted(&format!("/a{at}"), 0, &[1; 60]);
        report.recent.iter_mut().for_each(|exchange| exchange.path = "/x".repeat(128));
        ledger.absorb(vec![report]);
    }
    let bytes: usize = ledger.rows().map(|(_, row)| row.history.bytes()).sum();
    assert!((HISTORY_BYTES_MAX / 2..=HISTORY_BYTES_MAX).contains(&bytes), "{bytes}");
    assert!(ledger.rows().all(|(_, row)| row.history.iter().count() > 8));
}

fn called(route: &str, callers: &[(u32, u64)]) -> EndpointReport {
    let mut report = counted(route, 0, &[]);
    for (number, hits) in callers {
        report.golden.hits += hits;
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number);
        report.callers.add(Some(address.into()), Calls { hits: *hits, failures: 0, last_ms: 5 });
    }
    report
}

#[test]
fn callers_are_bounded_per_pod_and_no_hit_is_missing() {
    let mut ledger = Ledger::default();
    let (one, other): (Vec<_>, Vec<_>) =
        (0..2 * CALLERS_MAX as u32).map(|number| (number, 3)).partition(|(number, _)| number % 2 == 0);
    ledger.absorb(vec![called("/a", &one), called("/a", &other)]);
    let first = &ledger.change(1, 0).endpoints[0].callers;
    assert_eq!((first.named().count(), first.others().hits, first.sum().hits), (CALLERS_MAX, 96, 192));

    ledger.absorb(vec![called("/a", &[(0, 1), (1, 2)])]);
    let second = &ledger.change(2, 0).endpoints[0].callers;
    assert_eq!(second.named().map(|(_, calls)| calls.hits).collect::<Vec<_>>(), [1], "only who has called since");
    assert_eq!(second.others().hits, 2, "who found no room is one of the others");
    let all = &ledger.snapshot(3, 0).endpoints[0];
    assert_eq!((all.callers.named().count(), all.callers.sum().hits, all.golden.hits), (CALLERS_MAX, 195, 195));
}

#[test]
fn callers_are_folded_with_their_endpoint() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![called("/users/jane", &[(1, 5)]), called("/users/bob", &[(1, 2), (2, 1)])]);
    ledger.snapshot(1, 0);
    ledger.absorb(vec![called("/users/bob", &[(2, 4)])]);
    ledger.pin(Pins::new(&["/users/{name}".parse().unwrap()]));
    let change = ledger.change(2, 0);
    assert_eq!((change.endpoints.len(), change.endpoints[0].callers.sum().hits), (1, 4), "what was not reported yet");
    let snapshot = ledger.snapshot(3, 0);
    let mut hits: Vec<_> = snapshot.endpoints[0].callers.named().map(|(_, calls)| calls.hits).collect();
    hits.sort_unstable();
    assert_eq!(hits, [5, 7]);
}
