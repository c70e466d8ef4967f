//! Tests that callers are listed by name, that their hits add up, and that the number of rows is limited.

use std::net::Ipv4Addr;
use std::time::Duration;

use mesh::callers::{CALLERS_MAX, Callers, Calls};
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report};
use mesh::workload::Workload;
use proto::convert::greeting::Greeting;

use crate::counts::fleet::stream_session::StreamSession;
use crate::model::principal::Namespaces;
use crate::model::reporter::Reporter;
use crate::query::callers::*;

const NOW_MS: u64 = 1_763_647_661_000;

fn greeting(service: &str, pod: &str, address: Option<&str>, epoch_ms: u64) -> Greeting {
    let workload = Workload {
        namespace: "default".into(),
        service: service.into(),
        pod: pod.into(),
        pod_uid: pod.into(),
        node: String::new(),
        addresses: address.iter().map(|address| address.parse().unwrap()).collect(),
        version: String::new(),
    };
    Greeting { workload, epoch: epoch_ms * 1_000_000, session: 1, protected: vec![], uptime: None, known: None }
}

fn report(pod: &StreamSession, timeline: &Timeline, reported: &[(Option<IpAddr>, u64)]) {
    let mut callers = Callers::default();
    let mut golden = GoldenMetrics::default();
    for (address, hits) in reported {
        callers.add(*address, Calls { hits: *hits, failures: 0, last_ms: NOW_MS });
        golden.hits += hits;
    }
    let endpoint = Endpoint::named("GET", "/a").unwrap();
    let endpoints = vec![EndpointReport { endpoint, is_file: false, in_flight: 0, seen: None, golden, callers, recent: vec![] }];
    let report = Report { seq: 1, coverage: Coverage::Snapshot, at_ms: NOW_MS, endpoints, resources: None, rules: Vec::new() };
    pod.absorb(&report, NOW_MS, timeline).unwrap();
}

fn series(timeline: &Timeline) -> Arc<Series> {
    timeline.series(Reporter { namespace: "default", service: "cart" }, &Endpoint::named("GET", "/a").unwrap())
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// The callers as text: `web 30 [web-0 20, web-1 10]`, and so on.
fn describe(called_by: &CalledBy) -> Vec<String> {
    let row = |caller: &ResolvedCaller| {
        let pod = |pod: &CallingPod| format!("{} {}", pod.pod.as_deref().unwrap_or("?"), pod.received.calls.hits);
        let who = match &caller.who {
            Who::Service { service, .. } => service.clone(),
            Who::Address(address) => address.to_string(),
            Who::Others => "others".into(),
        };
        format!("{who} {} [{}]", caller.received.calls.hits, caller.pods.iter().map(pod).collect::<Vec<_>>().join(", "))
    };
    called_by.callers.iter().map(row).collect()
}

#[test]
fn addresses_of_pods_are_named_by_service_and_no_hit_is_missing() {
    let (fleet, timeline) = (Fleet::new(Duration::from_secs(3600)), Timeline::new(NOW_MS));
    let attach = |service: &str, pod: &str, address: &str| {
        fleet.attach(greeting(service, pod, Some(address), NOW_MS - 1000), NOW_MS).unwrap()
    };
    let callers = [attach("web", "web-0", "10.0.0.1"), attach("web", "web-1", "fd00::2"), attach("admin", "admin-0", "10.0.0.3")];
    let copies = [attach("cart", "cart-0", "10.0.0.8"), attach("cart", "cart-1", "10.0.0.9")];
    report(&copies[0], &timeline, &[(address("10.0.0.1"), 20), (address("fd00::2"), 3), (address("192.0.2.7"), 4)]);
    report(&copies[1], &timeline, &[(address("fd00::2"), 7), (address("10.0.0.3"), 31), (None, 2)]);

    let called_by = CalledBy::from_series(&fleet, &series(&timeline), &Namespaces::All, NOW_MS);
    let expected = ["admin 31 [admin-0 31]", "web 30 [web-0 20, web-1 10]", "192.0.2.7 4 []", "others 2 []"];
    assert_eq!(describe(&called_by), expected);
    assert_eq!((called_by.sum.calls.hits, called_by.unknown_hits), (67, 0));
    let all = CalledBy::from_all(&fleet, &timeline, &Namespaces::All, NOW_MS);
    assert_eq!(describe(&all[&*series(&timeline).id]), expected);
    let share: f64 = called_by.callers.iter().map(|caller| caller.received.share_lately_of(called_by.sum)).sum();
    assert!((share - 1.0).abs() < 1e-9);
    drop(callers);
}

#[test]
fn callers_outlive_the_process_and_the_pod_that_reported_them() {
    let (fleet, timeline) = (Fleet::new(Duration::from_secs(1)), Timeline::new(NOW_MS));
    for epoch_ms in [NOW_MS - 9000, NOW_MS - 5000] {
        let pod = fleet.attach(greeting("cart", "cart-0", None, epoch_ms), NOW_MS).unwrap();
        report(&pod, &timeline, &[(address("192.0.2.7"), 10)]);
        pod.record_bye(NOW_MS);
    }
    assert_eq!(describe(&CalledBy::from_series(&fleet, &series(&timeline), &Namespaces::All, NOW_MS)), ["192.0.2.7 20 []"]);
    fleet.evict_gone(NOW_MS + 60_000);
    assert_eq!(fleet.pods().len(), 0);
    let called_by = CalledBy::from_series(&fleet, &series(&timeline), &Namespaces::All, NOW_MS);
    assert_eq!((describe(&called_by), called_by.unknown_hits), (vec!["192.0.2.7 20 []".to_owned()], 0));
}

#[test]
fn requests_without_reported_callers_are_unknown() {
    let (fleet, timeline) = (Fleet::new(Duration::from_secs(1)), Timeline::new(NOW_MS));
    let pod = fleet.attach(greeting("cart", "cart-0", None, NOW_MS - 1000), NOW_MS).unwrap();
    report(&pod, &timeline, &[(address("192.0.2.7"), 10)]);
    let mut before = GoldenMetrics::default();
    before.hits = 5;
    series(&timeline).restore_total(None, &before);
    let called_by = CalledBy::from_series(&fleet, &series(&timeline), &Namespaces::All, NOW_MS);
    assert_eq!((called_by.sum.calls.hits, called_by.unknown_hits), (10, 5));
}

#[test]
fn addresses_over_the_limit_are_the_others() {
    let (fleet, timeline) = (Fleet::new(Duration::from_secs(1)), Timeline::new(NOW_MS));
    for number in 0..20_u32 {
        let pod = fleet.attach(greeting("cart", &format!("cart-{number}"), None, NOW_MS - 1000), NOW_MS).unwrap();
        let one = |at: u32| (Some(Ipv4Addr::from(0x0a00_0000 + number * 100 + at).into()), u64::from(at) + 1);
        report(&pod, &timeline, &(0..CALLERS_MAX as u32).map(one).collect::<Vec<_>>());
    }
    let called_by = CalledBy::from_series(&fleet, &series(&timeline), &Namespaces::All, NOW_MS);
    assert_eq!(called_by.callers.len(), ADDRESSES_MAX + 1);
    let sum: u64 = called_by.callers.iter().map(|caller| caller.received.calls.hits).sum();
    assert_eq!((sum, called_by.sum.calls.hits), (20 * 528, 20 * 528));
    assert_eq!(called_by.callers.last().map(|caller| &caller.who), Some(&Who::Others));
    assert_eq!(called_by.callers[0].received.calls.hits, 32);
}
