//! Tests: callers survive encoding and decoding, and impossible messages are refused.

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use prost::Message;

use crate::convert::callers::{callers as taken, *};

const AT_MS: u64 = 1_700_000_000_000;

fn endpoint(hits: u64) -> EndpointReport {
    let mut golden = GoldenMetrics::default();
    (golden.hits, golden.failed) = (hits, hits);
    let endpoint = Endpoint::named("GET", "/a").unwrap();
    EndpointReport { endpoint, is_file: false, in_flight: 0, seen: None, golden, callers: Callers::default(), recent: vec![] }
}

fn add(callers: &mut Callers, address: &str, hits: u64, failures: u64, ago_ms: u64) {
    callers.add(address.parse().ok(), Calls { hits, failures, last_ms: AT_MS - ago_ms });
}

fn three() -> Callers {
    let mut callers = Callers::default();
    add(&mut callers, "2001:db8::7", 3, 0, 80);
    add(&mut callers, "10.0.0.7", 100, 2, 0);
    add(&mut callers, "", 1, 0, 90_000);
    callers
}

#[test]
fn callers_come_off_the_wire_as_they_were_put_on_it() {
    for callers in [three(), Callers::default()] {
        let mut report = endpoint(104);
        let reported = encode(7, &callers, AT_MS);
        assert_eq!(reported.is_none(), callers.is_empty());
        if let Some(reported) = reported {
            assert_eq!(reported.id, 7);
            taken(&reported, &mut report, AT_MS).unwrap();
        }
        assert_eq!(report.callers, callers);
    }
}

#[test]
fn a_caller_takes_about_seven_bytes() {
    let mut callers = Callers::default();
    for number in 1..=20 {
        add(&mut callers, &format!("10.0.0.{number}"), 50, 0, 90);
    }
    let bytes = encode(7, &callers, AT_MS).unwrap().encoded_len();
    assert!(bytes <= 20 * 7 + 10, "{bytes} bytes for 20 callers");
}

#[test]
fn what_cannot_be_is_refused() {
    let good = encode(7, &three(), AT_MS).unwrap();
    let many = wire::Callers { v4: vec![1; 4 * (CALLERS_MAX + 1)], hits: vec![1; CALLERS_MAX + 1], ..good.clone() };
    for (reported, words) in [
        (wire::Callers { v4: vec![1; 5], ..good.clone() }, "4 or 16 bytes"),
        (wire::Callers { v6: vec![1; 17], ..good.clone() }, "4 or 16 bytes"),
        (wire::Callers { v4: vec![1; 4_000_000], ..good.clone() }, "limit of 32"),
        (many, "limit of 32"),
        (wire::Callers { hits: vec![1], ..good.clone() }, "for each address"),
        (wire::Callers { hits: vec![1; 4], ..good.clone() }, "for each address"),
        (wire::Callers { ago_ms: vec![1], ..good.clone() }, "different lengths"),
        (wire::Callers { failures: vec![1], ..good.clone() }, "different lengths"),
        (wire::Callers { hits: vec![u64::MAX; 3], ..good.clone() }, "more often"),
        (wire::Callers { failures: vec![50; 3], ..good.clone() }, "more often"),
    ] {
        let why = taken(&reported, &mut endpoint(104), AT_MS).unwrap_err().to_string();
        assert!(why.contains(words), "{words}: {why}");
    }
    let mut twice = endpoint(1000);
    taken(&good, &mut twice, AT_MS).unwrap();
    assert!(taken(&good, &mut twice, AT_MS).unwrap_err().to_string().contains("twice"));
}

#[test]
fn an_address_that_is_there_twice_is_one_caller_and_a_time_before_all_time_is_its_beginning() {
    let reported = wire::Callers {
        v4: [10, 0, 0, 7].repeat(2),
        hits: vec![2, 3],
        ago_ms: vec![u64::MAX, u64::MAX],
        ..wire::Callers::default()
    };
    let mut report = endpoint(5);
    taken(&reported, &mut report, AT_MS).unwrap();
    assert_eq!(report.callers.named().count(), 1);
    assert_eq!(report.callers.sum(), Calls { hits: 5, failures: 0, last_ms: 0 });
}
