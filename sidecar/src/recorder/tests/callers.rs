//! Tests that every hit is counted for a caller or for the others, and that clients cannot grow the caller table.

use std::net::{IpAddr, Ipv4Addr};

use mesh::callers::{CALLERS_MAX, Calls};
use mesh::report::EndpointReport;

use crate::recorder::completed_exchange::CompletedExchange;
use crate::recorder::tests::finished;
use crate::recorder::tests::pins::pin;
use crate::recorder::{PlacedRequest, Recorder};
use crate::rulebook::TimedRule;

fn call(recorder: &mut Recorder, path: &str, status: u16, caller: Option<IpAddr>) {
    let PlacedRequest { place, endpoint, .. } = recorder.place("GET", path);
    recorder.begin(place);
    recorder.finish(place, &endpoint, &CompletedExchange { caller, ..finished(path, status, 10) });
}

fn address(number: u32) -> Option<IpAddr> {
    0x0a00_0000_u32.checked_add(number).map(|bits| Ipv4Addr::from(bits).into())
}

fn hits_of(report: &EndpointReport, caller: Option<IpAddr>) -> Option<u64> {
    report.callers.named().find(|(address, _)| Some(*address) == caller).map(|(_, calls)| calls.hits)
}

#[test]
fn callers_have_failures_and_no_hit_is_missing() {
    let mut recorder = Recorder::default();
    for status in [200, 500, 404, 499] {
        call(&mut recorder, "/a", status, address(1));
    }
    call(&mut recorder, "/a", 200, "::ffff:10.0.0.1".parse().ok());
    call(&mut recorder, "/a", 503, None);
    let reported = recorder.collect();
    assert_eq!(
        reported[0].callers.named().collect::<Vec<_>>(),
        [(address(1).unwrap(), Calls { hits: 5, failures: 1, last_ms: 1 })]
    );
    assert_eq!(reported[0].callers.others(), Calls { hits: 1, failures: 1, last_ms: 1 });
    assert_eq!(reported[0].callers.sum().hits, reported[0].golden.hits);
    assert_eq!(reported[0].callers.sum().failures, reported[0].golden.failures());
}

#[test]
fn a_million_addresses_neither_grow_the_table_nor_drive_anybody_out() {
    let mut recorder = Recorder::default();
    call(&mut recorder, "/a", 200, address(0));
    let mut reported = 0;
    for number in 1..=1_000_000 {
        call(&mut recorder, "/a", 200, address(number));
        if number % 100_000 == 0 {
            call(&mut recorder, "/a", 200, address(0));
            let report = &recorder.collect()[0];
            assert!(report.callers.named().count() <= CALLERS_MAX);
            assert_eq!(report.callers.sum().hits, report.golden.hits);
            assert!(hits_of(report, address(0)).is_some_and(|hits| hits >= 1), "who was named is named");
            reported += report.golden.hits;
        }
    }
    assert_eq!(reported, 1_000_011);
}

#[test]
fn a_pin_folds_the_callers_as_it_folds_the_hits() {
    let mut recorder = Recorder::default();
    for (path, caller, times) in [("/users/ann", 1, 3), ("/users/bob", 1, 4), ("/users/bob", 2, 5)] {
        (0..times).for_each(|_| call(&mut recorder, path, 200, address(caller)));
    }
    recorder.apply_rules(&[TimedRule::without_limit(pin("/users/{name}"))]);
    call(&mut recorder, "/users/eve", 200, address(2));
    let reported = recorder.collect();
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert_eq!((hits_of(&reported[0], address(1)), hits_of(&reported[0], address(2))), (Some(7), Some(6)));
    assert_eq!(reported[0].golden.hits, 13);
}
