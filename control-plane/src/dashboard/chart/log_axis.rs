//! The logarithmic latency axis: which doublings it shows, and where a latency is on it.

use format::number;
use mesh::histogram::{Histogram, INDEX_MIN, SCALE};
use serde::Serialize;

/// Histogram buckets per doubling.
const PER_OCTAVE: i32 = 1 << SCALE;

/// Minimum number of doublings, so that very steady latencies do not fill the chart with one band.
const OCTAVES_MIN: i32 = 6;

/// Above this number of doublings a row is a whole doubling; half ones would be too thin.
const HALVES_MAX: i32 = 12;

/// Maximum number of labels on the axis.
pub const NAMES_MAX: usize = 8;

/// The range of an axis without data: 4 ms to 4 s.
const USUAL: (i32, i32) = (-8, 2);

/// A range of latencies, from 2^`low` to 2^`high` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Octaves {
    low: i32,
    high: i32,
}

/// A label of the axis with its grid line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AxisLabelCells {
    /// Y coordinate of the grid line.
    pub y: String,
    /// Y coordinate of the text.
    pub text_y: String,
    /// The label, such as `250 ms`; empty if unused.
    pub text: String,
    /// SVG path of the grid line.
    pub line: String,
}

impl Octaves {
    /// The axis that covers all of these latencies.
    pub fn of(latency: &Histogram) -> Self {
        let zeros = (latency.zeros() > 0).then_some(INDEX_MIN);
        let lowest = zeros.or_else(|| latency.buckets().next().map(|(index, _)| index));
        let highest = latency.buckets().last().map(|(index, _)| index).or(zeros);
        let (Some(lowest), Some(highest)) = (lowest, highest) else { return Self { low: USUAL.0, high: USUAL.1 } };
        let (mut low, mut high) = (lowest.div_euclid(PER_OCTAVE), highest.div_euclid(PER_OCTAVE) + 1);
        // Extends the range above and below in turn.
        for turn in 0.. {
            match turn % 2 {
                _ if high - low >= OCTAVES_MIN => break,
                0 => high += 1,
                _ => low -= 1,
            }
        }
        Self { low, high }
    }

    /// Number of rows.
    pub fn rows(self) -> usize {
        ((self.high - self.low) * self.rows_per_octave()) as usize
    }

    /// The row of a histogram bucket; row 0 is the fastest.
    pub fn row(self, index: i32) -> usize {
        let row = (index - self.low * PER_OCTAVE).max(0) / (PER_OCTAVE / self.rows_per_octave());
        (row as usize).min(self.rows() - 1)
    }

    /// The lower and upper latency of a row, in microseconds.
    pub fn bounds_us(self, row: usize) -> (f64, f64) {
        let bound = |row: usize| (f64::from(self.low) + row as f64 / f64::from(self.rows_per_octave())).exp2() * 1e6;
        (bound(row), bound(row + 1))
    }

    /// Position of a latency (in microseconds) on the axis: 0 at the lower end, 1 at the upper end.
    pub fn share(self, us: f64) -> f64 {
        let octave = (us.max(1.0) / 1e6).log2();
        ((octave - f64::from(self.low)) / f64::from(self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The latencies that get a label, in microseconds.
    pub fn named_us(self) -> impl Iterator<Item = f64> {
        let octaves = self.high - self.low;
        let every = (1..=octaves).find(|every| octaves / every < NAMES_MAX as i32).unwrap_or(octaves);
        // Align the labels with whole seconds, which people look for first.
        let first = self.low + (-self.low).rem_euclid(every);
        (first..=self.high).step_by(every as usize).map(|octave| f64::from(octave).exp2() * 1e6)
    }

    /// The labels and grid lines between two heights, for a plot from `left` to `right`.
    pub fn names(self, (top, bottom): (f64, f64), (left, right): (f64, f64)) -> [AxisLabelCells; NAMES_MAX] {
        let mut names = std::array::from_fn(|_| AxisLabelCells::default());
        for (cells, us) in names.iter_mut().zip(self.named_us()) {
            let y = bottom - (bottom - top) * self.share(us);
            *cells = AxisLabelCells {
                y: format!("{y:.1}"),
                text_y: format!("{:.1}", y + 4.0),
                text: number::latency(Some(us)).words(),
                line: format!("M{left} {y:.1}H{right}"),
            };
        }
        names
    }

    fn rows_per_octave(self) -> i32 {
        if self.high - self.low > HALVES_MAX { 1 } else { 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values_us: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for us in values_us {
            histogram.record(*us);
        }
        histogram
    }

    #[test]
    fn an_axis_shows_everything_there_is() {
        let octaves = Octaves::of(&histogram(&[5000, 90_000, 3_000_000]));
        assert_eq!((octaves.low, octaves.high, octaves.rows()), (-8, 2, 20));
        let names: Vec<_> = octaves.named_us().map(|us| number::latency(Some(us)).words()).collect();
        assert_eq!(names, ["3.9 ms", "16 ms", "62 ms", "250 ms", "1.00 s", "4.00 s"]);
        assert_eq!((octaves.row(i32::MIN / 2), octaves.row(i32::MAX / 2)), (0, 19));
    }

    #[test]
    fn one_value_has_room_around_it() {
        let octaves = Octaves::of(&histogram(&[100_000]));
        assert_eq!((octaves.low, octaves.high), (-6, 0));
        assert_eq!(Octaves::of(&histogram(&[])), Octaves { low: -8, high: 2 });
        assert_eq!(Octaves::of(&histogram(&[0])).low, -22, "what took no time at all is in the lowest row");
    }

    #[test]
    fn a_wide_axis_has_whole_octaves_and_few_names() {
        let octaves = Octaves::of(&histogram(&[10, 60_000_000]));
        assert_eq!((octaves.rows(), octaves.rows_per_octave()), (23, 1));
        assert!(octaves.named_us().count() <= NAMES_MAX);
        assert!((octaves.share(1e6) - 17.0 / 23.0).abs() < 1e-9);
    }
}
