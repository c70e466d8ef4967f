//! Proofs that buckets, merging and quantiles keep their promises.

use proptest::prelude::*;

use crate::histogram::{Histogram, INDEX_MAX, index_of};

fn of(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    for value in values {
        histogram.record(*value);
    }
    histogram
}

#[test]
fn an_empty_histogram_has_no_quantile() {
    assert_eq!(Histogram::default().quantile(0.5), None);
}

#[test]
fn powers_of_two_lie_on_the_upper_bound_of_a_bucket() {
    assert_eq!(index_of(1), -1);
    assert_eq!(index_of(2), 7);
    assert_eq!(index_of(3), 12);
    assert_eq!(index_of(1024), 79);
    assert_eq!(index_of(1025), 80);
}

#[test]
fn a_cleared_histogram_equals_a_new_one() {
    let mut histogram = of(&[0, 5, 900]);
    histogram.clear();
    assert_eq!(histogram, Histogram::default());
    assert_eq!(histogram.count(), 0);
}

proptest! {
    #[test]
    fn a_value_lies_inside_its_bucket(value in 1_u64..1 << 40) {
        let index = f64::from(index_of(value));
        let (low, high) = ((index / 8.0).exp2(), ((index + 1.0) / 8.0).exp2());
        prop_assert!(value as f64 > low * (1.0 - 1e-9) && value as f64 <= high * (1.0 + 1e-9));
    }

    #[test]
    fn no_value_lies_above_the_highest_bucket(value in any::<u64>()) {
        let mut histogram = Histogram::default();
        histogram.record(value);
        prop_assert!(histogram.buckets().all(|(index, _)| index <= INDEX_MAX));
        prop_assert_eq!(histogram.count(), 1);
    }

    #[test]
    fn a_quantile_is_within_4_4_percent(mut values in prop::collection::vec(1_u64..1 << 38, 1..300), q in 0.0..=1.0_f64) {
        let told = of(&values).quantile(q).unwrap();
        values.sort_unstable();
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let truth = values[rank - 1] as f64;
        prop_assert!((told / truth - 1.0).abs() < 0.0443, "told {told}, truth {truth}");
    }

    #[test]
    fn merging_is_adding(a in prop::collection::vec(0_u64..1 << 40, 0..60), b in prop::collection::vec(0_u64..1 << 40, 0..60)) {
        let (mut ab, mut ba) = (of(&a), of(&b));
        ab.merge(&of(&b));
        ba.merge(&of(&a));
        let both: Vec<u64> = a.iter().chain(&b).copied().collect();
        prop_assert_eq!(&ab, &ba);
        prop_assert_eq!(&ab, &of(&both));
        prop_assert_eq!(ab.since(&of(&a)), of(&b));
    }
}
