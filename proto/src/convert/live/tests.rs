//! Tests: a report survives encoding and decoding, and an error names the broken field.

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use mesh::golden::GoldenMetrics;
use mesh::refusal::{RefusalReason, Refusals};
use mesh::report::{Coverage, EndpointReport, Report, Resources, Seen};
use proptest::prelude::*;
use prost::Message as _;

use crate::convert::InvalidMessage;
use crate::convert::live::{DEFINITIONS_MAX, Decoder, Encoder};
use crate::convert::report_buffer::ReportBuffer;
use crate::wire;

fn report(seq: u64, endpoints: Vec<EndpointReport>) -> Report {
    Report { seq, coverage: Coverage::Change, at_ms: 1_000_000, endpoints, resources: None, rules: Vec::new() }
}

fn endpoint_report(route: &str, latencies_us: &[u64]) -> EndpointReport {
    let mut golden = GoldenMetrics::default();
    golden.hits = latencies_us.len() as u64;
    for took_us in latencies_us {
        golden.time(*took_us, took_us / 3);
        golden.carry(took_us % 7, took_us % 1000);
        golden.add_status(if took_us % 2 == 0 { 200 } else { 503 }, 1);
        golden.failed_by_sitio += took_us % 2;
    }
    let recent = vec![Exchange { started_ms: 999_000, status: 200, path: route.to_owned(), ..Exchange::default() }];
    let (endpoint, seen) = (Endpoint::named("GET", route).unwrap(), Some(Seen { first_ms: 5, last_ms: 999_000 }));
    EndpointReport { endpoint, is_file: false, in_flight: 1, seen, golden, callers: Callers::default(), recent }
}

proptest! {
    #[test]
    fn a_report_survives_the_wire(latencies in prop::collection::vec(0_u64..1 << 36, 0..80)) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for seq in 1..4 {
            let sent = report(seq, vec![endpoint_report("/a", &latencies), endpoint_report("/b/{id}", &[7])]);
            let wire = encoder.encode(&sent);
            prop_assert_eq!(wire.defs.len(), if seq == 1 { 2 } else { 0 });
            prop_assert_eq!(decoder.decode(&wire.encode_to_vec()).unwrap(), sent);
        }
    }
}

#[test]
fn refusals_survive_the_wire_and_versions_that_know_other_reasons() {
    let mut refused = Refusals::default();
    (refused[RefusalReason::Target], refused[RefusalReason::Host]) = (7, 1);
    let resources = Resources { refused, ..Resources::default() };
    let sent = Report { resources: Some(resources), ..report(1, vec![]) };
    let wire = Encoder::default().encode(&sent);
    assert_eq!(Decoder::default().decode(&wire.encode_to_vec()).unwrap(), sent);
    // An older sidecar does not send refusals, and a later one may send more reasons.
    for (reported, total) in [(vec![], 0), (vec![1; 40], RefusalReason::EACH.len() as u64)] {
        let resources = Resources::from(wire::Resources { refused: reported, ..Default::default() });
        assert_eq!(resources.refused.total(), total);
    }
}

#[test]
fn a_number_that_was_never_defined_is_refused() {
    let live = wire::Live { stats: vec![wire::Stat { id: 7, ..Default::default() }], ..Default::default() };
    let refused = Decoder::default().decode(&live.encode_to_vec()).unwrap_err();
    assert_eq!(refused.to_string(), "stats makes no sense: number 7 was never defined");
}

#[test]
fn a_million_definitions_are_refused_at_the_limit() {
    let def = |id| wire::Def { id, method: "GET".into(), route: format!("/{id}"), file: false };
    let live = wire::Live { defs: (1..1_000_000).map(def).collect(), ..Default::default() };
    let refused = Decoder::default().decode(&live.encode_to_vec()).unwrap_err();
    assert_eq!(refused, InvalidMessage::TooMuch { field: "defs", limit: DEFINITIONS_MAX });
}

#[test]
fn a_bucket_from_nowhere_is_refused() {
    let stat = wire::Stat { hist_lowest: i32::MAX, hist: vec![0, 0], ..Default::default() };
    let live = wire::Live { stats: vec![stat], ..Default::default() };
    assert!(matches!(Decoder::default().decode(&live.encode_to_vec()), Err(InvalidMessage::Senseless { field: "hist", .. })));
}

#[test]
fn a_status_without_a_count_or_with_four_digits_is_refused() {
    for (status, why) in [(vec![0], "a code has no count"), (vec![0xe8, 7, 1], "three digits"), (vec![0x80], "a number is due")] {
        let stat = wire::Stat { status, ..Default::default() };
        let refused =
            Decoder::default().decode(&wire::Live { stats: vec![stat], ..Default::default() }.encode_to_vec()).unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[test]
fn a_first_byte_after_the_last_is_refused() {
    let stat = wire::Stat { total_us: 5, extremes: vec![1, 6], ..Default::default() };
    let refused = Decoder::default().decode(&wire::Live { stats: vec![stat], ..Default::default() }.encode_to_vec()).unwrap_err();
    assert_eq!(refused.to_string(), "extremes makes no sense: the first byte cannot come after the last");
    let stat = wire::Stat { extremes: vec![0; 6], ..Default::default() };
    let refused = Decoder::default().decode(&wire::Live { stats: vec![stat], ..Default::default() }.encode_to_vec()).unwrap_err();
    assert!(matches!(refused, InvalidMessage::TooMuch { field: "extremes", .. }));
}

/// The goal for a frame of 20 endpoints with 20 requests each is 1.2 kB. An endpoint without
/// changes is not part of it. A stream defines each name once, so the second frame is the usual
/// one.
#[test]
fn a_frame_of_twenty_busy_endpoints_is_small() {
    let busy = |number: u64| {
        let mut golden = GoldenMetrics::default();
        for request in 0..20 {
            let took_us = (1000 + number * 700) * (500 + (number * 7919 + request * 104_729) % 1000) / 700;
            golden.hits += 1;
            golden.time(took_us, took_us / 2);
            golden.carry(300, 2000 + took_us % 1000);
            golden.add_status(if request == 0 { 500 } else { 200 }, 1);
            golden.failed += u64::from(request == 0);
        }
        EndpointReport { recent: vec![], seen: None, golden, ..endpoint_report(&format!("/e{number}"), &[]) }
    };
    let mut encoder = Encoder::default();
    let sizes: Vec<usize> = (1..3).map(|seq| encoder.encode(&report(seq, (0..20).map(busy).collect())).encoded_len()).collect();
    assert!(sizes[1] <= 1200, "{sizes:?} bytes");
}

proptest! {
    /// Differences wrap around, so all counts are transmitted exactly, even contradictory ones.
    #[test]
    fn odd_numbers_survive_the_wire(hits: u64, failed: u64, codes in prop::collection::vec((0_u16..1000, 1_u64..1 << 40), 0..9)) {
        let mut golden = GoldenMetrics::default();
        (golden.hits, golden.failed) = (hits, failed);
        golden.time(7, 7);
        for (code, count) in codes {
            golden.add_status(code, count);
        }
        let sent = report(1, vec![EndpointReport { golden, recent: vec![], ..endpoint_report("/a", &[]) }]);
        prop_assert_eq!(Decoder::default().decode(&Encoder::default().encode(&sent).encode_to_vec()).unwrap(), sent);
    }
}

#[test]
fn markup_in_a_route_is_only_text() {
    let mut decoder = Decoder::default();
    let def = wire::Def { id: 1, method: "GET".into(), route: "/<script>".into(), file: false };
    let live = wire::Live { defs: vec![def], stats: vec![wire::Stat { id: 1, ..Default::default() }], ..Default::default() };
    assert_eq!(decoder.decode(&live.encode_to_vec()).unwrap().endpoints[0].endpoint.route(), "/<script>");
}

#[test]
fn definitions_may_come_after_the_rows_that_they_name() {
    let def = wire::Def { id: 1, method: "GET".into(), route: "/late".into(), file: true };
    let rows = wire::Live { seq: 3, stats: vec![wire::Stat { id: 1, in_flight: 2, ..Default::default() }], ..Default::default() };
    let defs = wire::Live { at_ms: 9, defs: vec![def], ..Default::default() };
    let report = Decoder::default().decode(&[rows.encode_to_vec(), defs.encode_to_vec()].concat()).unwrap();
    let reported = &report.endpoints[0];
    assert_eq!(
        (report.seq, report.at_ms, reported.endpoint.route(), reported.in_flight, reported.is_file),
        (3, 9, "/late", 2, true)
    );
}

#[test]
fn a_report_that_is_read_in_anothers_place_keeps_nothing_of_it() {
    let (mut encoder, mut reading) = (Encoder::default(), ReportBuffer::default());
    let mut decoder = Decoder::default();
    let first = report(1, vec![endpoint_report("/a", &[5, 900_000]), endpoint_report("/b", &[7; 40])]);
    let second = report(2, vec![EndpointReport { seen: None, recent: vec![], ..endpoint_report("/c", &[1]) }]);
    for sent in [first.clone(), second, report(3, vec![]), first] {
        decoder.read(&encoder.encode(&sent).encode_to_vec(), &mut reading).unwrap();
        assert_eq!(reading.report, sent);
    }
}

#[test]
fn streams_that_share_names_hold_the_same_name() {
    let known = Endpoint::named("GET", "/a").unwrap();
    let shared = known.clone();
    let mut decoder = Decoder::sharing(move |endpoint| if endpoint == shared { shared.clone() } else { endpoint });
    let sent = report(1, vec![endpoint_report("/a", &[5]), endpoint_report("/b", &[5])]);
    let read = decoder.decode(&Encoder::default().encode(&sent).encode_to_vec()).unwrap();
    assert_eq!(read, sent);
    assert!(std::ptr::eq(read.endpoints[0].endpoint.route(), known.route()));
}
