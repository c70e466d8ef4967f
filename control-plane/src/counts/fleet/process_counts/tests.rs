//! Tests that the counts of a pod are summed exactly, through repeats, gaps and restarts.

use std::time::Duration;

use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, Report};
use mesh::rule_totals::{RuleTotals, SplitSides};
use proptest::prelude::*;

use crate::counts::fleet::process_counts::apply_report::{Absorbed, Uncountable};
use crate::counts::fleet::process_counts::rate_check::ReportArrival;
use crate::counts::fleet::process_counts::*;
use crate::counts::timeline::time_range::TimeRange;

const NOW_MS: u64 = 1_763_647_661_000;

fn workload() -> Workload {
    let name = || "shop".to_owned();
    Workload {
        namespace: name(),
        service: name(),
        pod: name(),
        pod_uid: name(),
        node: name(),
        addresses: vec![],
        version: name(),
    }
}

fn report(seq: u64, coverage: Coverage, golden: GoldenMetrics) -> Report {
    let endpoint = Endpoint::named("GET", "/a").unwrap();
    let reported =
        EndpointReport { endpoint, is_file: true, in_flight: 2, seen: None, golden, callers: Callers::default(), recent: vec![] };
    Report { seq, coverage, at_ms: 0, endpoints: vec![reported], resources: None, rules: Vec::new() }
}

fn exchanges(took_us: &[u64]) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    for took_us in took_us {
        golden.hits += 1;
        golden.time(*took_us, took_us / 2);
        golden.add_status(200, 1);
    }
    golden
}

proptest! {
    /// A sidecar that counts, and whose streams break at any time: changes get lost, snapshots are
    /// always true.
    #[test]
    fn whatever_breaks_the_totals_are_those_of_the_sidecar(
        steps in prop::collection::vec((prop::collection::vec(1_u64..1_000_000, 0..5), prop::bool::ANY, prop::bool::ANY), 1..40),
    ) {
        let (timeline, workload) = (Timeline::new(NOW_MS - 60_000), workload());
        let (mut counts, mut truth, mut unsent, mut seq) = (ProcessCounts::default(), GoldenMetrics::default(), None, 0);
        for (at, (took_us, is_lost, breaks)) in steps.iter().enumerate() {
            let change = exchanges(took_us);
            truth.merge(&change);
            if *breaks || unsent.is_none() {
                counts.begin_stream();
                seq = 0;
            }
            let arrival = ReportArrival { now_ms: NOW_MS + at as u64 * 1000, age_ms: 0, life_ms: 0 };
            let is_snapshot = seq == 0;
            seq += 1;
            let sent = if is_snapshot { report(seq, Coverage::Snapshot, truth.clone()) } else { report(seq, Coverage::Change, change) };
            if *is_lost {
                unsent = None;
                continue;
            }
            counts.absorb(&sent, &workload, arrival, &timeline).unwrap();
            if !is_snapshot {
                prop_assert_eq!(counts.absorb(&sent, &workload, arrival, &timeline), Ok(Absorbed::Repeated));
            }
            unsent = Some(());
        }
        counts.begin_stream();
        let now_ms = NOW_MS + 60_000;
        let last = report(1, Coverage::Snapshot, truth.clone());
        counts.absorb(&last, &workload, ReportArrival { now_ms, age_ms: 0, life_ms: 0 }, &timeline).unwrap();
        let series = counts.endpoints().next().unwrap().series().clone();
        prop_assert_eq!(series.totals(), truth.clone());
        let hour = series.between(TimeRange::last(Duration::from_secs(3600), now_ms));
        prop_assert_eq!((hour.hits, hour.total_us), (truth.hits, truth.total_us));
        prop_assert!(series.is_file());
    }
}

#[test]
fn the_longest_exchange_is_not_counted_again_after_a_reconnection() {
    let (timeline, workload, mut counts) = (Timeline::new(NOW_MS), workload(), ProcessCounts::default());
    let arrival = |now_ms| ReportArrival { now_ms, age_ms: 0, life_ms: 0 };
    counts.absorb(&report(1, Coverage::Snapshot, exchanges(&[900_000])), &workload, arrival(NOW_MS), &timeline).unwrap();

    counts.begin_stream();
    let later_ms = NOW_MS + 100_000;
    counts.absorb(&report(1, Coverage::Snapshot, exchanges(&[900_000, 10])), &workload, arrival(later_ms), &timeline).unwrap();

    let series = counts.endpoints().next().unwrap().series();
    let minute = series.between(TimeRange::last(Duration::from_secs(60), later_ms));
    assert!(minute.max_us <= 11, "{}", minute.max_us);
    assert_eq!(series.totals().max_us, 900_000);
}

/// A report of this many endpoints, each with latencies at both extremes.
fn wide(seq: u64, coverage: Coverage, endpoints: usize) -> Report {
    let mut all = report(seq, coverage, exchanges(&[1, 1_000_000_000_000]));
    let row = all.endpoints.remove(0);
    let named =
        |number: usize| EndpointReport { endpoint: Endpoint::named("GET", &format!("/{number}")).unwrap(), ..row.clone() };
    all.endpoints = (0..endpoints).map(named).collect();
    all
}

#[test]
fn what_rules_have_done_takes_a_share_of_the_memory_until_it_is_reported_no_more() {
    let (timeline, workload, mut counts) = (Timeline::new(NOW_MS), workload(), ProcessCounts::default());
    let arrival = ReportArrival { now_ms: NOW_MS, age_ms: 0, life_ms: 0 };
    let wide = exchanges(&[1, 1_000_000_000_000]);
    let sides = Some(Box::new(SplitSides { own: wide.clone(), other: wide }));
    let totals = |rules: usize| vec![RuleTotals { rule: "r".into(), sides: sides.clone(), ..RuleTotals::default() }; rules];
    let with = |seq, coverage, rules| Report { rules: totals(rules), ..report(seq, coverage, exchanges(&[10])) };
    counts.absorb(&with(1, Coverage::Snapshot, 0), &workload, arrival, &timeline).unwrap();
    let at_rest = counts.bytes();
    counts.absorb(&with(2, Coverage::Change, 0), &workload, arrival, &timeline).unwrap();
    let without = counts.bytes();
    assert!(at_rest < without / 8, "{at_rest} bytes of one report, {without} of two");

    counts.absorb(&with(3, Coverage::Change, 8), &workload, arrival, &timeline).unwrap();
    assert!(counts.bytes() - without > 8 * 2 * 2500, "{} after {without}", counts.bytes());
    let refused = counts.absorb(&with(4, Coverage::Change, 1400), &workload, arrival, &timeline).unwrap_err();
    assert!(matches!(refused, Uncountable::TooHeavy { .. }), "{refused:?}");
    counts.begin_stream();
    counts.absorb(&with(1, Coverage::Snapshot, 8), &workload, arrival, &timeline).unwrap();
    counts.absorb(&with(2, Coverage::Change, 0), &workload, arrival, &timeline).unwrap();
    assert_eq!(counts.bytes(), without);
    drop(counts);
    assert_eq!(timeline.process_quota().in_use(), 0);
}

#[test]
fn a_process_that_invents_endpoints_and_latencies_is_refused_and_others_are_not() {
    let (timeline, workload, mut counts) = (Timeline::new(NOW_MS), workload(), ProcessCounts::default());
    let arrival = ReportArrival { now_ms: NOW_MS, age_ms: 0, life_ms: 0 };
    counts.absorb(&wide(1, Coverage::Snapshot, 256), &workload, arrival, &timeline).unwrap();
    counts.absorb(&wide(2, Coverage::Change, 256), &workload, arrival, &timeline).unwrap();
    let bytes = counts.bytes();
    assert!((256 * 2500..256 * 4000).contains(&bytes), "what is reported again takes no more: {bytes}");

    let refused = counts.absorb(&wide(3, Coverage::Change, 1400), &workload, arrival, &timeline).unwrap_err();
    assert!(matches!(refused, Uncountable::TooHeavy { bytes, .. } if bytes > 4 << 20), "{refused:?}");
    assert!(refused.to_string().contains("too many endpoints, latencies or statuses"), "{refused}");
    assert_eq!((counts.bytes(), timeline.process_quota().refused.so_far()), (bytes, 1));

    // A new stream with less is accepted, and frees the rows that it no longer reports.
    counts.begin_stream();
    counts.absorb(&wide(1, Coverage::Snapshot, 10), &workload, arrival, &timeline).unwrap();
    assert!(counts.bytes() < 10 * 4000);
    drop(counts);
    assert_eq!(timeline.process_quota().in_use(), 0);
}
