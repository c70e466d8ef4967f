//! Tests of the histogram: bucket bounds, merging, and the error bound of quantiles.

use proptest::prelude::*;

use crate::histogram::{Histogram, INDEX_MAX, INDEX_MIN, index_of};

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
fn a_bound_belongs_to_the_bucket_that_it_ends() {
    assert_eq!(index_of(1), -160);
    assert_eq!(index_of(2), -152);
    assert_eq!((index_of(250_000), index_of(250_001)), (-17, -16));
    assert_eq!((index_of(1_000_000), index_of(1_000_001)), (-1, 0));
    assert_eq!((index_of(4_000_000), index_of(4_000_001)), (15, 16));
    assert_eq!((index_of(1_048_576_000_000), index_of(1_048_576_000_001)), (INDEX_MAX, INDEX_MAX));
}

#[test]
fn every_bucket_differs_from_the_next() {
    for index in INDEX_MIN..INDEX_MAX {
        let end_us = (f64::from(index + 1) / 8.0).exp2() * 1e6;
        let (inside, above) = (end_us.floor() as u64, end_us.floor() as u64 + 1);
        assert!(index_of(inside) <= index && index_of(above) > index, "bucket {index} ends at {end_us}");
    }
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
    fn a_value_lies_inside_its_bucket(value in 1_u64..=1_048_576_000_000) {
        let index = f64::from(index_of(value));
        let (low, high) = ((index / 8.0).exp2() * 1e6, ((index + 1.0) / 8.0).exp2() * 1e6);
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
        let reported = of(&values).quantile(q).unwrap();
        values.sort_unstable();
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let truth = values[rank - 1] as f64;
        prop_assert!((reported / truth - 1.0).abs() < 0.0443, "reported {reported}, true {truth}");
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
