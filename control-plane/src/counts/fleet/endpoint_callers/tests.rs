//! Tests of caller statistics through snapshots, pins and the end of a pod.

use std::collections::HashMap;

use mesh::endpoint::Endpoint;

use crate::counts::fleet::endpoint_callers::*;
use crate::counts::timeline::Timeline;
use crate::model::reporter::Reporter;

const NOW_MS: u64 = 1_700_000_040_000; // A whole minute.

fn callers(reported: &[(&str, u64)], last_ms: u64) -> Callers {
    let mut callers = Callers::default();
    for (address, hits) in reported {
        callers.add(address.parse().ok(), Calls { hits: *hits, failures: hits / 10, last_ms });
    }
    callers
}

fn timeline() -> Timeline {
    Timeline::new(NOW_MS)
}

fn called(timeline: &Timeline, route: &str) -> EndpointCallers {
    let reporter = Reporter { namespace: "default", service: "shop" };
    let series = timeline.series(reporter, &Endpoint::named("GET", route).unwrap());
    EndpointCallers::new(series, timeline.caller_quota()).unwrap()
}

fn received(called: &EndpointCallers, now_ms: u64) -> HashMap<String, CallerCounts> {
    let mut all: HashMap<String, CallerCounts> = HashMap::new();
    called.each(now_ms, |address, received| {
        all.entry(address.map_or("others".into(), |address| address.to_string())).or_default().add(received);
    });
    all
}

#[test]
fn a_snapshot_replaces_what_was_known_and_only_the_difference_was_lately() {
    let timeline = timeline();
    let mut called = called(&timeline, "/a");
    called.change(&callers(&[("10.0.0.1", 10), ("", 2)], NOW_MS), NOW_MS);
    for _ in 0..3 {
        called.snapshot(callers(&[("10.0.0.1", 30), ("10.0.0.2", 5), ("", 2)], NOW_MS), NOW_MS);
    }
    let received = received(&called, NOW_MS);
    let hits = |name: &str| (received[name].calls.hits, received[name].recent.round() as u64);
    assert_eq!((hits("10.0.0.1"), hits("10.0.0.2"), hits("others")), ((30, 30), (5, 5), (2, 2)));
    assert_eq!((received["10.0.0.1"].calls.failures, received["10.0.0.1"].failed_lately), (3, 3.0));
}

#[test]
fn what_was_lately_fades_within_two_minutes_and_the_rest_stays() {
    let timeline = timeline();
    let mut called = called(&timeline, "/a");
    called.change(&callers(&[("10.0.0.1", 60)], NOW_MS), NOW_MS);
    let lately =
        |called: &EndpointCallers, after_s: u64| received(called, NOW_MS + after_s * 1000)["10.0.0.1"].recent.round() as u64;
    assert_eq!([0, 59, 60, 90, 119, 120, 600].map(|after_s| lately(&called, after_s)), [60, 60, 60, 30, 1, 0, 0]);
    called.change(&callers(&[("10.0.0.1", 6)], NOW_MS + 90_000), NOW_MS + 90_000);
    assert_eq!(lately(&called, 90), 36, "half of the minute before, and the running one");
    assert_eq!(received(&called, NOW_MS + 90_000)["10.0.0.1"].calls.hits, 66);
    called.change(&callers(&[("10.0.0.2", 1)], NOW_MS + 600_000), NOW_MS + 600_000);
    assert_eq!(lately(&called, 600), 0);
}

#[test]
fn a_time_in_the_future_is_now() {
    let timeline = timeline();
    let mut called = called(&timeline, "/a");
    called.change(&callers(&[("10.0.0.1", 1), ("", 1)], u64::MAX), NOW_MS);
    called.snapshot(callers(&[("10.0.0.2", 1)], u64::MAX), NOW_MS);
    assert!(received(&called, NOW_MS).values().all(|received| received.calls.last_ms <= NOW_MS));
}

#[test]
fn two_endpoints_that_are_one_by_a_pin_add_up_their_callers() {
    let timeline = timeline();
    let (mut one, mut other) = (called(&timeline, "/a"), called(&timeline, "/b"));
    one.change(&callers(&[("10.0.0.1", 10), ("10.0.0.2", 1)], NOW_MS), NOW_MS);
    other.change(&callers(&[("10.0.0.1", 5), ("", 3)], NOW_MS), NOW_MS + 60_000);
    one.merge(other);
    let received = received(&one, NOW_MS + 60_000);
    assert_eq!((received["10.0.0.1"].calls.hits, received["10.0.0.1"].recent), (15, 15.0));
    assert_eq!((received["10.0.0.2"].calls.hits, received["others"].calls.hits), (1, 3));
    assert_eq!(one.series.past_callers(), Callers::default(), "nothing is forgotten yet");
}

#[test]
fn what_is_forgotten_of_a_pod_its_series_remembers() {
    let timeline = timeline();
    for _ in 0..2 {
        let mut called = called(&timeline, "/a");
        called.change(&callers(&[("10.0.0.1", 10), ("", 1)], NOW_MS), NOW_MS);
        let series = Arc::clone(&called.series);
        drop(called);
        assert!(series.past_callers().named().count() == 1);
    }
    let series = Arc::clone(&called(&timeline, "/a").series);
    assert_eq!(series.past_callers().sum().hits, 22);
    let pinned = Arc::clone(&called(&timeline, "/pinned").series);
    let late = called(&timeline, "/a");
    series.merge_into(&pinned);
    let mut late = late;
    late.change(&callers(&[("10.0.0.3", 5)], NOW_MS), NOW_MS);
    drop(late);
    assert_eq!(pinned.past_callers().sum().hits, 27, "a process that still uses the old name counts in the new one");
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let room = CountQuota::new(2);
    let timeline = timeline();
    let series = Arc::clone(&called(&timeline, "/a").series);
    let two = [EndpointCallers::new(Arc::clone(&series), &room), EndpointCallers::new(Arc::clone(&series), &room)];
    assert!(two.iter().all(Option::is_some) && EndpointCallers::new(Arc::clone(&series), &room).is_none());
    drop(two);
    assert_eq!(room.in_use(), 0);
}
