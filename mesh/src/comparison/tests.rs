//! Tests the tests: their p values against those of SciPy 1.17.1, and when there is a verdict.

#![expect(clippy::unreadable_literal, reason = "the numbers are as SciPy prints them")]

use proptest::prelude::*;

use super::*;

fn histogram(buckets: &[(i32, u64)]) -> Histogram {
    let mut histogram = Histogram::default();
    for (index, count) in buckets {
        histogram.add(*index, *count);
    }
    histogram
}

fn side(requests: u64, failed: u64, latency: &Histogram) -> Side<'_> {
    Side { requests, failed, latency }
}

#[track_caller]
fn assert_close(computed: f64, expected: f64, digits: f64) {
    assert!((computed - expected).abs() <= expected * digits, "{computed:e} is not {expected:e}");
}

#[test]
fn the_exact_test_computes_what_scipy_does() {
    // scipy.stats.fisher_exact([[a, b], [c, d]])[1], where a and c have failed, and b and d have not.
    for ([a, b, c, d], expected) in [
        ([8, 2, 1, 5], 0.034965034965034975),
        ([0, 200, 0, 200], 1.0),
        ([2, 198, 18, 182], 0.0002924155758851798),
        ([30, 970, 33, 967], 0.7981540447517013),
        ([100, 9900, 160, 9840], 0.000217504377385712),
        ([5, 195, 0, 200], 0.06093950240841397),
        ([1000, 999_000, 1200, 998_800], 2.1591027933740326e-5),
        ([200, 0, 0, 200], 1.942643449522235e-119),
        ([3, 197, 7, 1793], 0.0697156550851069),
    ] {
        assert_close(fisher((a, a + b), (c, c + d)), expected, 1e-7);
        assert_close(fisher((c, c + d), (a, a + b)), expected, 1e-7);
    }
}

#[test]
fn beyond_the_exact_test_the_normal_distribution_gives_the_same() {
    // At the limit of the variance: half of the requests fail, and one of a thousand.
    for (requests, failed) in [(8_000_000, 4_000_000), (2_000_000_000, 2_000_000)] {
        for deviations in [0, 1, 2, 3, 4, 5] {
            let (one, other) = ((failed + deviations * 1000, requests), (failed - deviations * 1000, requests));
            let (distance, variance) = spread(one, other);
            let (exact, normal) = (exact_fisher(one, other), two_tails(distance, variance));
            assert_close(normal, exact, 1e-4);
        }
    }
}

#[test]
fn counts_of_a_hostile_sidecar_cost_no_more_than_others() {
    let counts = [0, 1, 1 << 20, 1 << 50, u64::MAX / 2, u64::MAX];
    let latency = histogram(&[(0, 1 << 50), (3, 1 << 49)]);
    for (failed, other_failed) in counts.iter().flat_map(|one| counts.iter().map(move |other| (*one, *other))) {
        for requests in [1 << 21, 1 << 50, u64::MAX] {
            let found = Comparison::of(side(requests, failed, &latency), side(1 << 50, other_failed, &latency));
            assert!((0.0..=1.0).contains(&found.errors.p), "{failed} of {requests}, {other_failed}: {found:?}");
            assert!((0.0..=1.0).contains(&found.latency.p), "{found:?}");
        }
    }
}

#[test]
fn the_rank_test_computes_what_scipy_does() {
    // scipy.stats.mannwhitneyu(x, y, alternative='two-sided', method='asymptotic', use_continuity=True).pvalue, where x and y
    // are numpy.repeat(list(buckets.keys()), list(buckets.values())).
    type Buckets = &'static [(i32, u64)];
    let cases: [(Buckets, Buckets, f64); 5] = [
        (&[(-10, 50), (-9, 100), (-8, 50)], &[(-10, 30), (-9, 100), (-8, 70)], 0.004644393258672902),
        (&[(-10, 50), (-9, 100), (-8, 50)], &[(-10, 50), (-9, 100), (-8, 50)], 1.0),
        (&[(0, 200)], &[(0, 200)], 1.0),
        (&[(-20, 400), (-5, 10)], &[(-20, 300), (-19, 100), (40, 5)], 6.785583640707693e-21),
        (&[(1, 100_000), (2, 200_000), (3, 100_000)], &[(1, 99_000), (2, 200_000), (3, 101_000)], 0.0015653892996842016),
    ];
    for (first, second, expected) in cases {
        let (first, second) = (histogram(first), histogram(second));
        assert_close(mann_whitney(&first, &second).0, expected, 1e-9);
        assert_close(mann_whitney(&second, &first).0, expected, 1e-9);
    }
}

#[test]
fn there_is_no_verdict_on_too_little_traffic() {
    let slow = histogram(&[(10, 199)]);
    let fast = histogram(&[(-10, 100_000)]);
    let compared = Comparison::of(side(199, 199, &slow), side(100_000, 0, &fast));
    assert_eq!((compared.errors.verdict, compared.latency.verdict), (Verdict::TooFew, Verdict::TooFew));
    assert!(compared.errors.p < 1e-100, "however large the difference");
    let none = Histogram::default();
    let compared = Comparison::of(side(0, 0, &none), side(0, 0, &none));
    assert_eq!((compared.errors.verdict, compared.errors.p), (Verdict::TooFew, 1.0));
    assert_eq!((compared.latency.verdict, compared.latency.p), (Verdict::TooFew, 1.0));
}

#[test]
fn a_difference_has_a_direction() {
    let (slow, fast) = (histogram(&[(0, 100), (8, 900)]), histogram(&[(0, 900), (8, 100)]));
    let compared = Comparison::of(side(1000, 100, &slow), side(1000, 10, &fast));
    assert_eq!((compared.errors.verdict, compared.latency.verdict), (Verdict::FirstHigher, Verdict::FirstHigher));
    let compared = Comparison::of(side(1000, 10, &fast), side(1000, 100, &slow));
    assert_eq!((compared.errors.verdict, compared.latency.verdict), (Verdict::SecondHigher, Verdict::SecondHigher));
    assert_eq!((compared.errors.samples, compared.latency.samples), ((1000, 1000), (1000, 1000)));
    let compared = Comparison::of(side(1000, 10, &fast), side(1000, 12, &fast));
    assert_eq!((compared.errors.verdict, compared.latency.verdict), (Verdict::NotShown, Verdict::NotShown));
}

#[test]
fn the_levels_of_all_looks_add_up() {
    assert!((level_at(0) - level_at(399)).abs() < f64::EPSILON);
    assert!(level_at(400) < level_at(399));
    let sum: f64 = (0..50).map(|doubling| level_at(REQUESTS_MIN << doubling)).sum();
    assert!(sum < ALARMS && sum > 0.9 * ALARMS, "{sum}");
}

#[test]
fn tables_of_billions_are_computed_too() {
    let half = 5_000_000_000;
    let p = fisher((half, 2 * half), (half + 100_000, 2 * half));
    assert!((1e-3..0.2).contains(&p), "{p}: 1.4 standard deviations");
    assert_close(fisher((half, 2 * half), (half, 2 * half)), 1.0, 0.0);
}

proptest! {
    #[test]
    fn p_is_a_probability_and_the_same_from_either_side(a in 0_u64..300, b in 0_u64..300, c in 0_u64..300, d in 0_u64..300) {
        let p = fisher((a, a + b), (c, c + d));
        prop_assert!((0.0..=1.0).contains(&p), "{p}");
        prop_assert!((p - fisher((c, c + d), (a, a + b))).abs() <= 1e-9);
        // Counting what did not fail instead changes nothing.
        prop_assert!((p - fisher((b, a + b), (d, c + d))).abs() <= 1e-9);
    }

    #[test]
    fn ranks_are_a_probability_for_any_histograms(
        first in prop::collection::vec((-160_i32..160, 0_u64..1_000_000_000), 0..20),
        second in prop::collection::vec((-160_i32..160, 0_u64..1_000_000_000), 0..20),
    ) {
        let (p, excess) = mann_whitney(&histogram(&first), &histogram(&second));
        prop_assert!((0.0..=1.0).contains(&p) && (-0.5..=0.5).contains(&excess), "{p} {excess}");
    }
}
