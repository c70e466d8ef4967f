//! Proofs that a report survives the wire, and that a broken one is refused by name.

use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report};
use proptest::prelude::*;

use crate::convert::Refused;
use crate::convert::live::{DEFINITIONS_MAX, Decoder, Encoder};
use crate::wire;

fn report(seq: u64, endpoints: Vec<EndpointReport>) -> Report {
    Report { seq, coverage: Coverage::Change, at_ms: 1_000_000, endpoints, resources: None }
}

fn endpoint_report(route: &str, latencies_us: &[u64]) -> EndpointReport {
    let mut golden = GoldenMetrics::default();
    golden.hits = latencies_us.len() as u64;
    for took_us in latencies_us {
        golden.total_us += took_us;
        golden.max_us = golden.max_us.max(*took_us);
        golden.latency.record(*took_us);
        golden.add_status(200, 1);
    }
    let recent = vec![Exchange { started_ms: 999_000, status: 200, path: route.to_owned(), ..Exchange::default() }];
    EndpointReport { endpoint: Endpoint::named("GET", route).unwrap(), is_file: false, in_flight: 1, golden, recent }
}

proptest! {
    #[test]
    fn a_report_survives_the_wire(latencies in prop::collection::vec(0_u64..1 << 36, 0..80)) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for seq in 1..4 {
            let sent = report(seq, vec![endpoint_report("/a", &latencies), endpoint_report("/b/{id}", &[7])]);
            let wire = encoder.encode(&sent);
            prop_assert_eq!(wire.defs.len(), if seq == 1 { 2 } else { 0 });
            prop_assert_eq!(decoder.decode(wire).unwrap(), sent);
        }
    }
}

#[test]
fn a_number_that_was_never_defined_is_refused() {
    let live = wire::Live { stats: vec![wire::Stat { id: 7, ..Default::default() }], ..Default::default() };
    let refused = Decoder::default().decode(live).unwrap_err();
    assert_eq!(refused.to_string(), "stats makes no sense: number 7 was never defined");
}

#[test]
fn a_million_definitions_are_refused_at_the_limit() {
    let def = |id| wire::Def { id, method: "GET".into(), route: format!("/{id}"), file: false };
    let live = wire::Live { defs: (1..1_000_000).map(def).collect(), ..Default::default() };
    let refused = Decoder::default().decode(live).unwrap_err();
    assert_eq!(refused, Refused::TooMuch { field: "defs", limit: DEFINITIONS_MAX });
}

#[test]
fn a_bucket_from_nowhere_is_refused() {
    let stat = wire::Stat { hist_gap: vec![i32::MAX, i32::MAX], hist_n: vec![1, 1], ..Default::default() };
    let live = wire::Live { stats: vec![stat], ..Default::default() };
    assert!(matches!(Decoder::default().decode(live), Err(Refused::Senseless { field: "hist_gap", .. })));
}

#[test]
fn markup_in_a_route_is_only_text() {
    let mut decoder = Decoder::default();
    let def = wire::Def { id: 1, method: "GET".into(), route: "/<script>".into(), file: false };
    let live = wire::Live { defs: vec![def], stats: vec![wire::Stat { id: 1, ..Default::default() }], ..Default::default() };
    assert_eq!(decoder.decode(live).unwrap().endpoints[0].endpoint.route(), "/<script>");
}
