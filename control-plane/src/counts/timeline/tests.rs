//! Tests that the sum over slots equals what was added, for any window.

use std::time::Duration;

use mesh::golden::GoldenMetrics;
use mesh::report::Seen;
use proptest::prelude::*;

use crate::counts::timeline::apportion::Fraction;
use crate::counts::timeline::counted_span::CountedSpan;
use crate::counts::timeline::time_range::TimeRange;
use crate::counts::timeline::*;

mod bounds;

const START_MS: u64 = 1_763_647_661_000;
const SHOP: Reporter<'static> = Reporter { namespace: "default", service: "shop" };

fn golden() -> impl Strategy<Value = GoldenMetrics> {
    prop::collection::vec((200_u16..230, 0_u64..10_000_000, 0_u64..5000), 1..40).prop_map(|exchanges| {
        let mut golden = GoldenMetrics::default();
        for (status, took_us, bytes) in exchanges {
            golden.hits += 1;
            golden.bytes_out += bytes;
            golden.total_us += took_us;
            golden.max_us = golden.max_us.max(took_us);
            golden.latency.record(took_us);
            golden.add_status(status, 1);
        }
        golden
    })
}

fn hits(hits: u64) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    golden.hits = hits;
    golden
}

fn series(started_ms: u64) -> Arc<Series> {
    Timeline::new(started_ms).series(SHOP, &Endpoint::named("GET", "/a").unwrap())
}

fn at(ms: u64) -> CountedSpan {
    CountedSpan { from_ms: ms, to_ms: ms }
}

proptest! {
    #[test]
    fn the_shares_of_a_whole_add_up_to_it(whole in golden(), mut cuts in prop::collection::vec(0_u64..=1000, 0..20)) {
        cuts.extend([0, 1000]);
        cuts.sort_unstable();
        let mut sum = GoldenMetrics::default();
        for pair in cuts.windows(2) {
            sum.merge(&Fraction { from: pair[0], to: pair[1], of: 1000 }.metrics(&whole));
        }
        prop_assert_eq!(sum, whole);
    }

    /// Reports of any length at any time within the last five minutes, in any order.
    #[test]
    fn what_was_added_is_what_the_slots_hold(
        reports in prop::collection::vec((0_u64..300_000, 0_u64..60_000, golden()), 1..20),
    ) {
        let series = series(START_MS - 400_000);
        let (mut sum, now_ms) = (GoldenMetrics::default(), START_MS);
        for (ago_ms, length_ms, golden) in &reports {
            let to_ms = now_ms - ago_ms;
            series.record(CountedSpan { from_ms: to_ms - length_ms, to_ms }, golden, None);
            sum.merge(golden);
        }
        prop_assert_eq!(series.totals(), sum.clone());
        for window in [400, 401, 900, 3600] {
            let range = TimeRange::last(Duration::from_secs(window), now_ms);
            prop_assert_eq!(series.between(range), sum.clone(), "{}", window);
        }
        let spark = series.traffic(TimeRange::last(Duration::from_secs(3599), now_ms), 60);
        let drawn: u64 = spark.iter().map(|step| step.hits).sum();
        prop_assert!(drawn.abs_diff(sum.hits) <= 30, "{drawn} of {} hits, with the rounding of 60 steps", sum.hits);
    }

    #[test]
    fn neighbouring_windows_share_nothing_and_leave_nothing_out(
        seconds in prop::collection::vec(0_u64..240, 1..60), window in 1_u64..120,
    ) {
        let (series, now_ms) = (series(START_MS - 400_000), START_MS + 999);
        for second in &seconds {
            series.record(at(START_MS - second * 1000), &hits(1), None);
        }
        let window = Duration::from_secs(window);
        let (last, before) = (TimeRange::last(window, now_ms), TimeRange::before(window, now_ms));
        let both = TimeRange { from_ms: before.from_ms, to_ms: last.to_ms };
        let count = |range: TimeRange| series.between(range).hits;
        prop_assert_eq!(count(last) + count(before), count(both));
        let expected = seconds.iter().filter(|second| **second <= window.as_secs()).count() as u64;
        prop_assert_eq!(count(last), expected);
    }
}

#[test]
fn what_happened_before_the_timeline_began_is_in_the_totals_only() {
    let series = series(START_MS);
    let now_ms = START_MS + 10_000;
    series.record(CountedSpan { from_ms: START_MS - 90_000, to_ms: now_ms }, &hits(1000), None);

    assert_eq!(series.totals().hits, 1000);
    assert_eq!(series.between(TimeRange::last(Duration::from_secs(3600), now_ms)).hits, 100);
}

#[test]
fn an_old_hour_fades_from_the_slots_and_stays_in_the_totals() {
    let series = series(START_MS);
    series.record(at(START_MS), &hits(7), None);
    let later_ms = START_MS + 2 * 3_600_000;
    series.record(at(later_ms), &hits(1), None);

    assert_eq!(series.totals().hits, 8);
    assert_eq!(series.between(TimeRange::last(Duration::from_secs(3600), later_ms)).hits, 1);
}

#[test]
fn a_clock_that_runs_ahead_is_not_believed() {
    let series = series(START_MS);
    let reported = |seen| series.record(at(START_MS), &GoldenMetrics::default(), seen);
    reported(None);
    assert_eq!(series.seen(), None);
    reported(Some(Seen { first_ms: START_MS - 500, last_ms: START_MS + 99_000 }));
    reported(Some(Seen::at(START_MS - 100)));
    assert_eq!(series.seen(), Some(Seen { first_ms: START_MS - 500, last_ms: START_MS }));
}

#[test]
fn the_usual_p95_is_the_median_of_the_minutes() {
    let series = series(START_MS - 3_600_000);
    let minute_ms = |minute: u64| START_MS / 60_000 * 60_000 - 600_000 + minute * 60_000;
    for (minute, ms) in [10, 10, 10, 10, 500, 10].into_iter().enumerate() {
        let mut golden = GoldenMetrics::default();
        (0..100).for_each(|_| golden.latency.record(ms * 1000));
        (golden.hits, golden.max_us) = (100, ms * 1000);
        series.record(at(minute_ms(minute as u64)), &golden, None);
        if minute == 3 {
            assert_eq!(series.usual_p95_us(minute_ms(4)), None, "four minutes are too few");
        }
    }
    let usual_us = series.usual_p95_us(minute_ms(7)).unwrap();
    assert!((9500.0..10_500.0).contains(&usual_us), "{usual_us}");
}

#[test]
fn a_sparkline_has_its_newest_whole_step_at_the_end() {
    let series = series(START_MS - 3_600_000);
    let now_ms = START_MS / 5000 * 5000 + 3000;
    series.record(at(now_ms - 3001), &hits(4), None);
    series.record(at(now_ms), &hits(100), None);

    let spark = series.traffic(TimeRange::steps(5000, 60, now_ms), 60);

    assert_eq!(spark.len(), 60);
    assert_eq!(spark.iter().map(|step| step.hits).sum::<u64>(), 4, "the running step is not drawn");
    assert_eq!(spark[59].hits, 4);
}

#[test]
fn endpoints_over_the_limit_share_one_series() {
    let timeline = Timeline::new(START_MS);
    for number in 0..ENDPOINTS_MAX + 10 {
        timeline.series(SHOP, &Endpoint::named("GET", &format!("/{number}")).unwrap()).record(at(START_MS), &hits(1), None);
    }
    let other = timeline.series(SHOP, &Endpoint::other());
    assert_eq!((other.totals().hits, timeline.counted_as_other()), (10, 10));
    assert_eq!(timeline.all().len(), ENDPOINTS_MAX + 1);
    let web = Reporter { namespace: "default", service: "web" };
    assert!(!timeline.series(web, &Endpoint::named("GET", "/").unwrap()).endpoint.is_other(), "another service has its own room");
}

#[test]
fn a_clock_that_was_hours_ahead_and_is_set_right_hides_nothing_that_is_counted_from_then_on() {
    let series = series(0);
    series.record(at(START_MS + 3 * 3_600_000), &hits(1), None);
    series.record(at(START_MS), &hits(2), None);

    let range = TimeRange { from_ms: START_MS - 10_000, to_ms: START_MS + 10_000 };
    assert_eq!((series.between(range).hits, series.totals().hits), (2, 3));
}

#[test]
fn an_id_is_the_same_in_every_process() {
    assert_eq!(series(START_MS).id, series(START_MS + 5).id);
    assert_eq!(series(START_MS).id.len(), 13);
}

#[test]
fn the_steps_of_a_chart_are_what_there_was_in_them() {
    let series = series(START_MS - 3_600_000);
    let now_ms = START_MS + 400_000;
    for second in 0..400 {
        series.record(at(START_MS + second * 1000 + 500), &hits(second), None);
    }
    let range = TimeRange::steps(5000, 60, now_ms);
    let steps: Vec<u64> = series.steps(range, 5000).iter().map(|step| step.hits).collect();
    // The window begins at START_MS + 99 s, on a whole five seconds.
    let expected: Vec<u64> = (0..60).map(|step| (0..5).map(|second| 99 + step * 5 + second).sum()).collect();
    assert_eq!((range.from_ms, steps), (START_MS + 99_000, expected));

    // Further back there are slots of ten seconds, and none of them counts twice.
    let quarter = TimeRange::steps(20_000, 45, now_ms);
    let sum: u64 = series.steps(quarter, 20_000).iter().map(|step| step.hits).sum();
    assert_eq!(sum, (0..quarter.to_ms.saturating_sub(START_MS) / 1000).sum::<u64>());
}

proptest! {
    /// With late reports and earlier reads in any order.
    #[test]
    fn a_line_that_was_drawn_before_is_never_out_of_date(reported in prop::collection::vec((0_u64..90, 0_u64..8, 1_u64..9), 1..40)) {
        let (looked_at, mut all, mut now_ms) = (series(START_MS), Vec::new(), START_MS + 300_000);
        for (later, late_s, count) in reported {
            now_ms += later * 100;
            all.push((at(now_ms - late_s * 1000), hits(count)));
            let (span, golden) = all.last().unwrap();
            looked_at.record(*span, golden, None);
            let fresh = series(START_MS);
            for (span, golden) in &all {
                fresh.record(*span, golden, None);
            }
            for range in [TimeRange::steps(5000, 60, now_ms), TimeRange::steps(1000, 60, now_ms)] {
                prop_assert_eq!(looked_at.traffic(range, 60), fresh.traffic(range, 60));
                let window = Duration::from_millis(range.to_ms - range.from_ms);
                let last = TimeRange::last(window, now_ms);
                prop_assert_eq!(looked_at.between(last), fresh.between(last));
            }
        }
    }
}
