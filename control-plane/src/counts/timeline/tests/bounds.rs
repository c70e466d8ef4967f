//! Tests that series and slots are bounded: per address, per service, and in bytes.

use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use super::*;
use crate::counts::timeline::counted_span::CountedSpan;
use crate::counts::timeline::eviction::evict;
use crate::counts::timeline::quota::QuotaLimits;
use crate::counts::timeline::time_range::TimeRange;

/// Creates a service whose name changes with each deployment.
fn deployment(timeline: &Timeline, number: usize, now_ms: u64) -> String {
    let service = format!("preview-{number}");
    for route in 0..16 {
        let reporter = Reporter { namespace: "default", service: &service };
        let series = timeline.series(reporter, &Endpoint::named("GET", &format!("/{route}")).unwrap());
        series.record(at(now_ms), &hits(1), Some(Seen::at(now_ms)));
    }
    service
}

#[test]
fn services_that_are_named_anew_with_each_deployment_leave_room_for_others_and_take_little() {
    let timeline = Timeline::new(START_MS);
    let hour_ms = 3_600_000;
    let held = timeline.series(Reporter { namespace: "default", service: "preview-0" }, &Endpoint::named("GET", "/0").unwrap());
    let mut gone = Vec::new();
    for number in 0..3 * Budget::default().series() / 16 {
        let now_ms = START_MS + number as u64 * hour_ms / 60;
        deployment(&timeline, number, now_ms);
        if number % 60 == 0 {
            gone.extend(evict(&timeline, now_ms));
        }
        assert!(timeline.slot_quota().in_use() < 130 * 16 * 10_000, "two hours of sixteen endpoints a minute, in their slots");
    }
    assert_eq!(timeline.counted_as_other(), 0, "none was counted under (other) for want of room");
    assert!(timeline.all().len() <= Budget::default().series() && timeline.services.len() <= Budget::default().series() / 16);
    assert_eq!(gone.len() as u64, timeline.evicted());
    assert!(gone.iter().all(|name| name.service != "preview-0" || name.endpoint.route() != "/0"), "it is still reported");
    assert_eq!(held.totals().hits, 1);
    let order: Vec<_> = gone.iter().map(|name| name.service[8..].parse::<usize>().unwrap()).collect();
    assert!(order.is_sorted(), "those that were silent longest went first");
}

/// Bytes of a row in a report on the wire, at least: its number, a count, a latency and a status.
const ROW_BYTES: usize = 18;

/// Bytes that memory may use per byte on the wire.
const FACTOR_MAX: usize = 10;

/// Two requests whose latencies are as far apart as possible; unpacked they would take four
/// kilobytes.
fn wide() -> GoldenMetrics {
    let mut wide = hits(2);
    wide.latency.add(-160, 1);
    wide.latency.add(159, 1);
    wide
}

#[test]
fn a_report_of_an_hour_is_kept_as_one_entry() {
    let timeline = Timeline::new(START_MS);
    let hour = CountedSpan { from_ms: START_MS, to_ms: START_MS + 3_600_000 };
    for route in 0..100 {
        let series = timeline.series(SHOP, &Endpoint::named("GET", &format!("/{route}")).unwrap());
        series.record(hour, &wide(), None);
        assert_eq!(series.between(TimeRange { from_ms: hour.from_ms, to_ms: hour.to_ms }).hits, 2);
    }
    let bytes = timeline.slot_quota().in_use();
    assert!(bytes <= 100 * ROW_BYTES * FACTOR_MAX, "{bytes}");
}

#[test]
fn rows_of_every_second_are_kept_in_few_times_their_bytes() {
    let timeline = Timeline::new(START_MS);
    let series = timeline.series(SHOP, &Endpoint::named("GET", "/").unwrap());
    for second in 0..300 {
        series.record(at(START_MS + second * 1000), &wide(), None);
    }
    assert_eq!(series.between(TimeRange { from_ms: START_MS, to_ms: START_MS + 300_000 }).hits, 600);
    let bytes = timeline.slot_quota().in_use();
    assert!(bytes <= 300 * ROW_BYTES * FACTOR_MAX, "{bytes}");
}

#[test]
fn one_address_cannot_take_the_series_of_the_others() {
    let budget = Budget::new(Some(64 << 20));
    let timeline = Timeline::with_budget(budget, START_MS);
    let (greedy, other) = (Some([10, 0, 0, 1].into()), Some([10, 0, 0, 2].into()));
    let route = |number: usize| Endpoint::named("GET", &format!("/{number}")).unwrap();
    let services: Vec<String> = (0..8).map(|service| format!("s{service}")).collect();
    let of = |number: usize| Reporter { namespace: "default", service: &services[number % services.len()] };
    let all: Vec<_> = (0..budget.series()).map(|number| timeline.series_from(greedy, of(number), &route(number))).collect();
    let named = all.iter().filter(|series| !series.endpoint.is_other()).count();
    assert_eq!(
        (named, timeline.counted_as_other() as usize),
        (budget.series_of_address(), budget.series() - budget.series_of_address())
    );
    assert_eq!(timeline.series_from(other, SHOP, &route(0)).endpoint, route(0));

    // They have no counts: once no pod reports them any more, they are released.
    drop(all);
    evict(&timeline, START_MS);
    assert_eq!(timeline.len(), services.len(), "the shared ones stay");
    assert_eq!(timeline.series_from(greedy, SHOP, &route(0)).endpoint, route(0));
}

#[test]
fn invented_latencies_take_no_more_than_the_quota() {
    let slot_room = Quota::new(QuotaLimits { per_share: 256 << 10, in_total: 1 << 30, small: 64 << 10 });
    let timeline = Timeline { slot_quota: slot_room, ..Timeline::new(START_MS) };
    let wide = wide();
    let mut second = 0;
    // Each row of such a report is about sixty bytes on the wire, and its slot takes fewer.
    while timeline.slot_quota().refused.so_far() == 0 {
        second += 1;
        assert!(second < 60, "an hour of it would take twelve megabytes");
        for route in 0..1024 {
            let series = timeline.series(SHOP, &Endpoint::named("GET", &format!("/{route}")).unwrap());
            series.record(at(START_MS + second * 1000), &wide, None);
        }
    }
    let bytes = timeline.slot_quota().in_use();
    let full = timeline.series(SHOP, &Endpoint::named("GET", "/0").unwrap());
    full.record(at(START_MS + (second + 1) * 1000), &wide, None);
    assert_eq!(full.totals().hits, 2 * (second + 1), "the totals are right");
    assert!(timeline.slot_quota().in_use() <= bytes);
    let web = timeline.series(Reporter { namespace: "default", service: "web" }, &Endpoint::named("GET", "/").unwrap());
    web.record(at(START_MS + second * 1000), &hits(5), None);
    let range = TimeRange { from_ms: START_MS, to_ms: START_MS + 3_600_000 };
    assert_eq!(web.between(range).hits, 5, "another service has its own room");
    // An hour later all slots have expired, and there is room again.
    evict(&timeline, START_MS + 10_000_000);
    assert_eq!(timeline.slot_quota().in_use(), 0);
}
