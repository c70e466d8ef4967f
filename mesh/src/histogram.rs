//! Counts durations in logarithmic buckets, so that merging is addition and every quantile is within 4.4 %.

/// Buckets per doubling, as a power of two: 2³ = 8 buckets between 1 s and 2 s.
///
/// The bucket `index` is (2^(index/8), 2^((index+1)/8)] in seconds. These are the buckets of
/// OpenTelemetry's exponential histogram of scale 3 and of Prometheus's native histogram of schema
/// 3. Both count durations in seconds, so the buckets are exported unchanged (OpenTelemetry Metrics
/// Data Model, "Exponential Histogram").
pub const SCALE: u32 = 3;

/// Buckets per doubling.
const PER_OCTAVE: i32 = 1 << SCALE;

/// The highest bucket. It ends at 2²⁰ s, which is twelve days. Longer durations need no bucket of their own.
pub const INDEX_MAX: i32 = 20 * PER_OCTAVE - 1;

/// The lowest bucket, which holds 1 µs: it ends at 2^(-159/8) s, which is 1.04 µs.
pub const INDEX_MIN: i32 = -20 * PER_OCTAVE;

/// 2^(k/8) s in microseconds, for the eight buckets of an octave, with 32 binary places.
const OCTAVE_US: [u64; PER_OCTAVE as usize] = [
    4_294_967_296_000_000,
    4_683_695_047_832_392,
    5_107_605_667_107_197,
    5_569_883_475_385_291,
    6_074_000_999_952_099,
    6_623_745_058_664_271,
    7_223_245_205_676_679,
    7_877_004_751_727_667,
];

/// The end of each bucket, lowest first, in whole microseconds. A larger value is in a higher bucket.
const ENDS_US: [u64; (INDEX_MAX - INDEX_MIN + 1) as usize] = ends_us();

/// A distribution of whole microseconds.
///
/// Counts are kept densely between the lowest and the highest bucket in use. An endpoint whose
/// latencies vary within one decade costs about 30 numbers, and recording allocates only when that
/// range grows.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    zeros: u64,
    first: i32,
    counts: Vec<u64>,
}

impl Histogram {
    /// Counts one value.
    #[inline]
    pub fn record(&mut self, value_us: u64) {
        if value_us == 0 {
            self.zeros += 1;
        } else {
            self.add(index_of(value_us), 1);
        }
    }

    /// Counts `count` values in the bucket `index`; indices outside the range count at its end.
    pub fn add(&mut self, index: i32, count: u64) {
        if count == 0 {
            return;
        }
        let index = index.clamp(INDEX_MIN, INDEX_MAX);
        if self.counts.is_empty() || index < self.first || index >= self.first + self.counts.len() as i32 {
            // Grow by a whole octave: latencies spread bucket by bucket, and each step would allocate again.
            let octave = index.div_euclid(PER_OCTAVE) * PER_OCTAVE;
            self.cover(octave, octave + PER_OCTAVE - 1);
        }
        let at = (index - self.first) as usize;
        self.counts[at] = self.counts[at].saturating_add(count);
    }

    /// Counts `count` values in the bucket `index`, which is above all buckets in use, as when a
    /// histogram is decoded.
    pub fn push(&mut self, index: i32, count: u64) {
        let index = index.clamp(INDEX_MIN, INDEX_MAX);
        if self.counts.is_empty() {
            self.first = index;
        }
        let above = self.first + self.counts.len() as i32;
        if index < above {
            return self.add(index, count);
        }
        self.counts.extend(std::iter::repeat_n(0, (index - above) as usize));
        self.counts.push(count);
    }

    /// Minimum memory of the counts, in bytes.
    pub fn weight(&self) -> usize {
        size_of_val(&*self.counts)
    }

    /// Counts `count` values of exactly zero.
    pub fn add_zeros(&mut self, count: u64) {
        self.zeros = self.zeros.saturating_add(count);
    }

    /// Adds everything that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        self.add_zeros(other.zeros);
        if other.counts.is_empty() {
            return;
        }
        let (end, other_end) = (self.first + self.counts.len() as i32, other.first + other.counts.len() as i32);
        if self.counts.is_empty() || other.first < self.first || other_end > end {
            self.cover(other.first, other_end - 1);
        }
        let at = (other.first - self.first) as usize;
        for (count, more) in self.counts[at..].iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// Allocates the buckets from `lowest` to `highest` at once; indices outside the range are clamped to it.
    pub fn cover(&mut self, lowest: i32, highest: i32) {
        let (lowest, highest) = (lowest.clamp(INDEX_MIN, INDEX_MAX), highest.clamp(INDEX_MIN, INDEX_MAX));
        if self.counts.is_empty() {
            self.first = lowest;
        }
        let missing = (self.first - lowest).max(0) as usize;
        let needed = (highest - self.first + 1).max(0) as usize;
        let length = missing + needed.max(self.counts.len());
        self.counts.reserve_exact(length - self.counts.len());
        if missing > 0 {
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = lowest;
        }
        self.counts.resize(length, 0);
    }

    /// Returns what was counted since `earlier`, an earlier state of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = Self::default();
        since.zeros = self.zeros.saturating_sub(earlier.zeros);
        for (index, count) in self.buckets() {
            since.add(index, count.saturating_sub(earlier.count_at(index)));
        }
        since
    }

    /// Sets all counts to zero and keeps the buckets.
    pub fn clear(&mut self) {
        self.zeros = 0;
        self.counts.fill(0);
    }

    /// Removes all counts and buckets; keeps only the allocated memory.
    pub fn renew(&mut self) {
        self.zeros = 0;
        self.counts.clear();
    }

    /// The number of values counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(self.zeros, |sum, count| sum.saturating_add(*count))
    }

    /// The number of values that were exactly zero.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// The buckets with a count above zero, lowest first, as (index, count).
    pub fn buckets(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        let from = self.first;
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(at, count)| (from + at as i32, *count))
    }

    /// The value in microseconds below which the share `q` (0 to 1) of all values is; `None` if there are none.
    ///
    /// It is the geometric middle of the bucket that holds the value of that rank, so its error is
    /// at most a factor of 2^(1/16), which is 4.4 %.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count);
        let mut seen = self.zeros;
        if rank <= seen {
            return Some(0.0);
        }
        for (index, bucket) in self.buckets() {
            seen = bucket.saturating_add(seen);
            if rank <= seen {
                return Some(middle_of(index));
            }
        }
        None
    }

    fn count_at(&self, index: i32) -> u64 {
        let at = index - self.first;
        if at < 0 {
            return 0;
        }
        self.counts.get(at as usize).copied().unwrap_or(0)
    }
}

impl PartialEq for Histogram {
    /// Two histograms are equal if their counts are equal; allocated buckets do not matter.
    fn eq(&self, other: &Self) -> bool {
        self.zeros == other.zeros && self.buckets().eq(other.buckets())
    }
}

impl Eq for Histogram {}

/// The bucket of `value_us`, which is not zero.
#[inline]
fn index_of(value_us: u64) -> i32 {
    // Eight buckets end in each octave of microseconds; the first of them ends in the first octave.
    let at = value_us.ilog2() as usize * PER_OCTAVE as usize;
    let Some(ends_us) = ENDS_US.get(at..at + PER_OCTAVE as usize) else { return INDEX_MAX };
    let below = ends_us.iter().filter(|end_us| value_us > **end_us).count();
    (INDEX_MIN + (at + below) as i32).min(INDEX_MAX)
}

const fn ends_us() -> [u64; (INDEX_MAX - INDEX_MIN + 1) as usize] {
    let mut ends_us = [0; (INDEX_MAX - INDEX_MIN + 1) as usize];
    let mut index = INDEX_MIN;
    while index <= INDEX_MAX {
        let end = index + 1;
        // Shift up first, by the twenty octaves that the lowest end is below a second.
        let scaled = (OCTAVE_US[end.rem_euclid(PER_OCTAVE) as usize] as u128) << (end.div_euclid(PER_OCTAVE) + 20);
        ends_us[(index - INDEX_MIN) as usize] = (scaled >> (32 + 20)) as u64;
        index += 1;
    }
    ends_us
}

/// The geometric middle of a bucket, in microseconds.
fn middle_of(index: i32) -> f64 {
    ((f64::from(index) + 0.5) / f64::from(PER_OCTAVE)).exp2() * 1e6
}

#[cfg(test)]
mod tests;
