//! Property tests: merging is plain addition, and quantiles of latency stay within their error bound.

use proptest::prelude::*;

use crate::golden::{CLIENT_GONE, GoldenMetrics, STATUSES_MAX};

/// The largest relative error of a quantile: half a bucket, 2^(1/16).
const BOUND: f64 = 1.0443;

/// One exchange: status, time in microseconds, time to the first byte, bytes, and whether a rule has answered.
type One = (u16, u64, u64, u64, bool);

fn exchanges() -> impl Strategy<Value = Vec<One>> {
    let one = (200_u16..230, 0_u64..10_000_000, 0_u64..10_000_000, 0_u64..5000, any::<bool>());
    prop::collection::vec(one, 0..40)
}

fn counted(exchanges: &[One]) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    for (status, took_us, first_byte_us, bytes, by_rule) in exchanges {
        golden.hits += 1;
        golden.carry(bytes / 2, *bytes);
        golden.add_status(*status, 1);
        if *by_rule {
            golden.by_rule += 1;
        } else {
            golden.failed += u64::from(*status >= 220);
            golden.failed_by_sitio += u64::from(*status == 219);
            golden.time(*took_us, *first_byte_us);
        }
    }
    golden
}

fn metrics() -> impl Strategy<Value = GoldenMetrics> {
    exchanges().prop_map(|exchanges| counted(&exchanges))
}

fn sum(a: &GoldenMetrics, b: &GoldenMetrics) -> GoldenMetrics {
    let mut sum = a.clone();
    sum.merge(b);
    sum
}

proptest! {
    #[test]
    fn what_was_counted_never_contradicts_itself_nor_does_a_sum_or_a_difference(a in metrics(), b in metrics()) {
        let all = sum(&a, &b);
        prop_assert_eq!((a.contradiction(), all.contradiction(), all.since(&b).contradiction()), (None, None, None));
        prop_assert!(!a.has_maximum_over_sum() && !all.has_maximum_over_sum());
    }

    #[test]
    fn merging_is_commutative(a in metrics(), b in metrics()) {
        prop_assert_eq!(sum(&a, &b), sum(&b, &a));
    }

    #[test]
    fn merging_is_associative(a in metrics(), b in metrics(), c in metrics()) {
        prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
    }

    #[test]
    fn nothing_changes_nothing(a in metrics()) {
        prop_assert_eq!(sum(&a, &GoldenMetrics::default()), a.clone());
        prop_assert_eq!(sum(&GoldenMetrics::default(), &a), a);
    }

    #[test]
    fn exchanges_counted_apart_merge_to_what_they_are_together(a in exchanges(), b in exchanges()) {
        let together: Vec<One> = a.iter().chain(&b).copied().collect();
        prop_assert_eq!(sum(&counted(&a), &counted(&b)), counted(&together));
    }

    /// A difference keeps the extremes of the later state; everything else is subtracted.
    #[test]
    fn merging_then_taking_back_changes_nothing(a in metrics(), b in metrics()) {
        let mut back = sum(&a, &b).since(&a);
        (back.min_us, back.max_us, back.first_byte_max_us) = (b.min_us, b.max_us, b.first_byte_max_us);
        (back.bytes_in_max, back.bytes_out_max) = (b.bytes_in_max, b.bytes_out_max);
        prop_assert_eq!(back, b);
    }

    /// A repeated snapshot adds nothing.
    #[test]
    fn a_repeated_snapshot_is_no_news(a in metrics()) {
        let news = a.since(&a);
        prop_assert!(news.is_empty() && news.latency.count() == 0 && news.statuses().is_empty());
    }

    #[test]
    fn every_hit_has_a_status(a in metrics()) {
        prop_assert_eq!(a.statuses().iter().map(|(_, count)| count).sum::<u64>(), a.hits);
    }

    #[test]
    fn quantiles_hold_their_bound(mut latencies in prop::collection::vec(1_u64..1 << 36, 1..200), parts in 1_usize..5) {
        let mut golden = GoldenMetrics::default();
        for part in latencies.chunks(latencies.len().div_ceil(parts)) {
            let mut one = GoldenMetrics::default();
            for took_us in part {
                one.time(*took_us, 0);
            }
            golden.merge(&one);
        }
        latencies.sort_unstable();
        for q in [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
            let rank = ((q * latencies.len() as f64).ceil() as usize).clamp(1, latencies.len());
            let (exact, reported) = (latencies[rank - 1] as f64, golden.quantile_us(q).unwrap());
            prop_assert!(reported <= exact * BOUND && reported >= exact / BOUND, "p{q}: {reported} for {exact}");
        }
        prop_assert_eq!(golden.min_us, latencies.first().copied());
        prop_assert_eq!(Some(golden.max_us), latencies.last().copied());
    }
}

#[test]
fn no_quantile_is_outside_of_what_was_seen() {
    // Both values are the upper end of a bucket, so the middle of the bucket is below the shortest one.
    let mut golden = GoldenMetrics::default();
    golden.time(1_000_000, 10);
    assert_eq!(golden.quantile_us(0.99), Some(1_000_000.0));
    golden.time(2_000_000, 20);
    assert_eq!(golden.quantile_us(0.001), Some(1_000_000.0));
}

#[test]
fn the_mean_is_the_total_over_the_hits() {
    let mut golden = GoldenMetrics { hits: 3, total_us: 9000, ..GoldenMetrics::default() };
    assert_eq!(golden.mean_us(), Some(3000.0));
    golden.by_rule = 3;
    assert_eq!(golden.mean_us(), None);
}

#[test]
fn the_first_byte_is_never_later_than_the_last() {
    let mut golden = GoldenMetrics::default();
    golden.time(100, 40);
    golden.time(100, 500);
    assert_eq!((golden.first_byte_mean_us(), golden.first_byte_max_us), (Some(70.0), 100));
}

#[test]
fn failures_are_counted_by_author() {
    let mut golden = GoldenMetrics { hits: 6, failed: 2, failed_by_sitio: 1, ..GoldenMetrics::default() };
    golden.add_status(502, 2);
    golden.add_status(503, 1);
    golden.add_status(CLIENT_GONE, 3);
    assert_eq!((golden.failures(), golden.client_gone()), (3, 3));
}

#[test]
fn odd_statuses_share_a_place_once_there_are_too_many() {
    let mut golden = GoldenMetrics::default();
    (100..600).for_each(|status| golden.add_status(status, 1));
    assert_eq!(golden.statuses().len(), STATUSES_MAX + 1);
    assert_eq!(golden.statuses()[0], (0, 500 - STATUSES_MAX as u64));
}

#[test]
fn a_status_from_600_on_is_counted_as_a_5xx() {
    let mut golden = GoldenMetrics::default();
    for status in [0, 101, 200, 499, 500, 599, 600, 999] {
        golden.add_status(status, 1);
    }
    assert_eq!([0, 1, 2, 3, 4, 5, 6, 9].map(|class| golden.class(class)), [1, 1, 1, 0, 1, 4, 0, 0]);
}
