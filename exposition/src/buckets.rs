//! Converts our histogram to the two kinds of Prometheus: a few classic buckets, and a native histogram without loss.

use mesh::histogram::{Histogram, INDEX_MIN, SCALE};
use prometheus_client::encoding::{NativeHistogram, NativeHistogramBuckets};

/// The upper bounds of the classic buckets, as powers of two of a second: 1 ms to 16 s, each twice
/// the one before.
///
/// OpenTelemetry recommends 5 ms to 10 s in steps such as 0.075 s. Those bounds are inside our
/// buckets, so counts at them would be estimates. These bounds are also bounds of our buckets, so
/// each count is exact. Both sets have 15.
const ENDS_LOG2: std::ops::RangeInclusive<i32> = -10..=4;

/// A histogram in the native form of Prometheus: runs of adjacent buckets, with each count as the
/// difference from the one before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Native {
    zeros: u64,
    spans: Vec<(i32, u32)>,
    deltas: Vec<i64>,
}

/// Returns the classic buckets: the upper bound in seconds, and the count of this bucket alone.
pub fn classic(histogram: &Histogram) -> Vec<(f64, u64)> {
    let mut counts = vec![0; ENDS_LOG2.count() + 1];
    counts[0] = histogram.zeros();
    for (index, count) in histogram.buckets() {
        // The bucket `index` ends at 2^((index+1)/8) s, inclusive.
        let at = ENDS_LOG2.take_while(|log2| index >= log2 << SCALE).count();
        counts[at] += count;
    }
    ENDS_LOG2.map(|log2| f64::from(log2).exp2()).chain([f64::INFINITY]).zip(counts).collect()
}

/// Returns one bucket that holds everything, for histograms with only a sum and a count.
pub fn unbounded(count: u64) -> Vec<(f64, u64)> {
    vec![(f64::INFINITY, count)]
}

impl Native {
    /// Converts every bucket without loss.
    pub fn from_histogram(histogram: &Histogram) -> Self {
        let mut native = Self { zeros: histogram.zeros(), ..Self::default() };
        let (mut next, mut before) = (0, 0);
        for (index, count) in histogram.buckets() {
            // Prometheus numbers a bucket by its end, and we by its start.
            let index = index + 1;
            match native.spans.last_mut() {
                Some((_, length)) if index == next => *length += 1,
                _ => native.spans.push((index - next, 1)),
            }
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            native.deltas.push(count - before);
            (next, before) = (index + 1, count);
        }
        native
    }

    /// Converts to the type of the library.
    pub fn as_native(&self) -> NativeHistogram<'_> {
        NativeHistogram {
            schema: SCALE as i32,
            // The start of our lowest bucket: lower values count as zero.
            zero_threshold: (f64::from(INDEX_MIN) / f64::from(1 << SCALE)).exp2(),
            zero_count: self.zeros,
            negative: NativeHistogramBuckets { spans: &[], deltas: &[] },
            positive: NativeHistogramBuckets { spans: &self.spans, deltas: &self.deltas },
            created: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    /// Returns the counts by bucket, as Prometheus reads them.
    fn read(native: &Native) -> Vec<(i32, u64)> {
        let (mut read, mut index, mut count) = (Vec::new(), 0, 0);
        let mut deltas = native.deltas.iter();
        for (offset, length) in &native.spans {
            index += offset;
            for _ in 0..*length {
                count += deltas.next().expect("a delta for each bucket");
                read.push((index, count as u64));
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        read
    }

    proptest! {
        #[test]
        fn the_native_histogram_loses_nothing(values in prop::collection::vec(0_u64..1 << 40, 0..100)) {
            let histogram = of(&values);
            let native = Native::from_histogram(&histogram);
            let ours: Vec<(i32, u64)> = histogram.buckets().map(|(index, count)| (index + 1, count)).collect();
            prop_assert_eq!(read(&native), ours);
            prop_assert_eq!(native.zeros, histogram.zeros());
        }

        #[test]
        fn each_classic_bucket_holds_exactly_what_belongs_to_it(values in prop::collection::vec(0_u64..40_000_000, 0..100)) {
            let mut up_to = 0;
            for (end, count) in classic(&of(&values)) {
                up_to += count;
                let truth = values.iter().filter(|value| **value as f64 / 1e6 <= end).count() as u64;
                prop_assert_eq!(up_to, truth, "up to {}", end);
            }
        }
    }

    #[test]
    fn a_value_on_a_bound_is_below_it() {
        let counts: Vec<u64> = classic(&of(&[250_000, 250_001, 1_000_000])).into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0]);
    }
}
