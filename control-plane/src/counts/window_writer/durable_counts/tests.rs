//! Tests that the totals of an ended process are what is on disk, however late it arrives there.

use mesh::endpoint::Endpoint;
use proptest::prelude::*;
use proto::convert::windows::PackedCounts;

use crate::counts::timeline::Timeline;
use crate::counts::timeline::counted_span::CountedSpan;
use crate::counts::window_writer::durable_counts::*;
use crate::model::reporter::Reporter;

const NOW_MS: u64 = 1_763_647_661_000;

/// Exchanges that took these microseconds, every third failed.
fn exchanges(took_us: &[u64]) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    for (number, took_us) in took_us.iter().enumerate() {
        golden.hits += 1;
        golden.time(*took_us, took_us / 2);
        golden.carry(10, 100);
        golden.add_status(if number % 3 == 2 { 503 } else { 200 }, 1);
    }
    golden
}

fn series(timeline: &Timeline, route: &str) -> Arc<Series> {
    timeline.series(Reporter { namespace: "default", service: "shop" }, &Endpoint::named("GET", route).unwrap())
}

fn send(series: &Arc<Series>, golden: &GoldenMetrics) {
    series.record(CountedSpan { from_ms: NOW_MS, to_ms: NOW_MS }, golden, None);
}

fn row(series: &Arc<Series>, golden: &GoldenMetrics) -> PendingRow {
    PendingRow { series: Arc::clone(series), seen: None, counts: PackedCounts::pack(golden) }
}

/// Everything but the extremes, which cannot be subtracted.
fn sums(golden: &GoldenMetrics) -> GoldenMetrics {
    let mut sums = golden.clone();
    (sums.min_us, sums.max_us, sums.first_byte_max_us) = (None, 0, 0);
    (sums.bytes_in_max, sums.bytes_out_max) = (0, 0);
    sums
}

proptest! {
    /// A process hands over some windows before its end and some after it was given up, and reports
    /// more.
    #[test]
    fn a_total_is_what_is_on_disk_and_what_living_processes_report(
        windows in prop::collection::vec((prop::collection::vec(1_u64..1_000_000, 0..5), 0..3_u8), 1..12),
        of_another in prop::collection::vec(1_u64..1_000_000, 0..5),
        is_back in prop::bool::ANY,
    ) {
        let timeline = Timeline::new(NOW_MS);
        let (series, durable_counts) = (series(&timeline, "/a"), DurableCounts::with_mark::<GoldenMetrics>(1, []));
        send(&series, &exchanges(&of_another));
        let (mut reported, mut kept) = (GoldenMetrics::default(), exchanges(&of_another));
        for (took_us, _) in &windows {
            reported.merge(&exchanges(took_us));
        }
        send(&series, &reported);
        let mut hand_over = |when: u8| for (slot, (took_us, _)) in (2_u64..).zip(&windows).filter(|(_, (_, at))| *at == when) {
            kept.merge(&exchanges(took_us));
            durable_counts.record_written(slot + 100 * u64::from(when), &[row(&series, &exchanges(took_us))]);
        };
        hand_over(0);
        durable_counts.end([(&series, &reported)]);
        durable_counts.subtract_missing();
        hand_over(1);

        prop_assert_eq!(sums(&series.totals()), sums(&kept));
        prop_assert_eq!(durable_counts.subtract_missing(), reported.hits + of_another.len() as u64 - kept.hits);
        let mut all = reported.clone();
        all.merge(&exchanges(&of_another));
        prop_assert_eq!(series.lifetime_totals(), all.clone());
        if is_back {
            durable_counts.revive();
            prop_assert_eq!(series.totals(), all);
        }
    }
}

#[test]
fn what_was_folded_meanwhile_is_missed_where_it_is_counted_now() {
    let timeline = Timeline::new(NOW_MS);
    let (old, new, durable_counts) =
        (series(&timeline, "/users/jane"), series(&timeline, "/users/{name}"), DurableCounts::default());
    send(&old, &exchanges(&[5, 5, 5]));
    durable_counts.record_written(7, &[row(&old, &exchanges(&[5, 5]))]);
    old.merge_into(&new);
    send(&new, &exchanges(&[5]));

    durable_counts.end([(&new, &exchanges(&[5, 5, 5, 5]))]);

    assert_eq!((durable_counts.subtract_missing(), new.totals().hits, old.totals().hits), (2, 2, 0));
    durable_counts.record_written(7, &[row(&old, &exchanges(&[5, 5]))]);
    assert_eq!(
        (durable_counts.subtract_missing(), durable_counts.hits()),
        (2, 2),
        "a window that is written twice is on disk once"
    );
    durable_counts.record_written(8, &[row(&old, &exchanges(&[5]))]);
    assert_eq!((durable_counts.subtract_missing(), new.totals().hits), (1, 3));
}
