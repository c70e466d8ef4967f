//! The latency distribution of a window: a histogram on a logarithmic axis with the quantiles marked.

use mesh::golden::GoldenMetrics;
use serde::Serialize;

use crate::dashboard::chart::line::{rectangle, uprights};
use crate::dashboard::chart::log_axis::Octaves;
use format::number;

/// Width of the chart.
const WIDTH: f64 = 420.0;

/// Y coordinate of the base of the bars.
const BASE: f64 = 128.0;

/// Height of the highest bar.
const HEIGHT: f64 = 110.0;

/// Minimum height of a bar, so that a single request stays visible.
const BAR_MIN: f64 = 1.5;

/// Minimum distance between the labels of two quantiles: the width of `p99 439 ms`.
const APART: f64 = 78.0;

/// Number of labels below the axis.
pub const AXIS_NAMES: usize = 4;

/// Maximum number of table rows. From 4 ms to 64 ms are eight half doublings; few endpoints need 24.
pub const ROWS_MAX: usize = 24;

/// The chart as SVG attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpreadCells {
    /// Text alternative of the chart.
    pub summary: String,
    /// SVG path of the bars below p95.
    pub most: String,
    /// SVG path of the bars from p95 on.
    pub slow: String,
    /// SVG path of the lines at the quantiles.
    pub lines: String,
    /// Label of the median.
    pub p50: ChartLabelCells,
    /// Label of the 95th percentile.
    pub p95: ChartLabelCells,
    /// Label of the 99th percentile.
    pub p99: ChartLabelCells,
    /// First label below the axis.
    pub a0: ChartLabelCells,
    /// Second label below the axis.
    pub a1: ChartLabelCells,
    /// Third label below the axis.
    pub a2: ChartLabelCells,
    /// Fourth label below the axis.
    pub a3: ChartLabelCells,
}

/// A label on the chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChartLabelCells {
    /// X coordinate.
    pub x: String,
    /// The text; empty if unused.
    pub text: String,
}

/// One bar as a table row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BarCells {
    /// The latency range, such as `88 ms to 125 ms`; empty if the row is unused.
    pub range: String,
    /// Number of requests.
    pub count: String,
    /// Share of all requests.
    pub share: String,
}

impl SpreadCells {
    /// Each label with its key, its CSS class and its Y coordinate.
    pub fn names(&self) -> [(&'static str, &ChartLabelCells, &'static str, u32); 7] {
        [
            ("p50", &self.p50, "notet", 10),
            ("p95", &self.p95, "notet", 10),
            ("p99", &self.p99, "notet", 10),
            ("a0", &self.a0, "", 144),
            ("a1", &self.a1, "", 144),
            ("a2", &self.a2, "", 144),
            ("a3", &self.a3, "", 144),
        ]
    }
}

/// Builds the chart and its table rows, fastest first.
pub fn spread(golden: &GoldenMetrics) -> (SpreadCells, [BarCells; ROWS_MAX]) {
    let octaves = Octaves::of(&golden.latency);
    let mut counts = vec![0_u64; octaves.rows()];
    counts[0] = golden.latency.zeros();
    for (index, count) in golden.latency.buckets() {
        let bar = &mut counts[octaves.row(index)];
        *bar = bar.saturating_add(count);
    }
    let p95_us = golden.quantile_us(0.95).unwrap_or(f64::INFINITY);
    let (most, slow) = bars(&counts, octaves, p95_us);
    let quantiles = [0.5, 0.95, 0.99].map(|q| golden.quantile_us(q));
    let [p50, p95, p99] = quantile_names(octaves, quantiles);
    let [a0, a1, a2, a3] = axis_names(octaves);
    let lines = uprights(quantiles.into_iter().flatten().map(|us| x(octaves, us)), 14.0, BASE);
    let cells = SpreadCells { summary: summary(&counts, octaves), most, slow, lines, p50, p95, p99, a0, a1, a2, a3 };
    (cells, table(&counts, octaves))
}

fn x(octaves: Octaves, us: f64) -> f64 {
    WIDTH * octaves.share(us)
}

fn bars(counts: &[u64], octaves: Octaves, p95_us: f64) -> (String, String) {
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let width = WIDTH / counts.len() as f64;
    let mut paths = (String::new(), String::new());
    for (row, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (HEIGHT * *count as f64 / most).max(BAR_MIN);
        let path = if octaves.bounds_us(row).1 > p95_us { &mut paths.1 } else { &mut paths.0 };
        rectangle(path, (row as f64 * width + 1.5, BASE - height), (width - 3.0, height));
    }
    paths
}

/// The labels of the quantiles above the lines, moved apart horizontally.
fn quantile_names(octaves: Octaves, quantiles: [Option<f64>; 3]) -> [ChartLabelCells; 3] {
    let half = APART / 2.0;
    let mut places = quantiles.map(|us| us.map_or(WIDTH, |us| x(octaves, us)).clamp(half, WIDTH - half));
    for at in 1..3 {
        places[at] = places[at].max(places[at - 1] + APART);
    }
    for at in (0..3).rev() {
        let limit = if at == 2 { WIDTH - half } else { places[at + 1] - APART };
        places[at] = places[at].min(limit);
    }
    let name = |at: usize, name: &str| match quantiles[at] {
        Some(us) => {
            ChartLabelCells { x: format!("{:.1}", places[at]), text: format!("{name} {}", number::latency(Some(us)).words()) }
        }
        None => ChartLabelCells::default(),
    };
    [name(0, "p50"), name(1, "p95"), name(2, "p99")]
}

fn axis_names(octaves: Octaves) -> [ChartLabelCells; AXIS_NAMES] {
    let mut names = std::array::from_fn(|_| ChartLabelCells::default());
    let inside = octaves.named_us().filter(|us| (0.03..0.97).contains(&octaves.share(*us))).collect::<Vec<_>>();
    let every = inside.len().div_ceil(AXIS_NAMES).max(1);
    for (cells, us) in names.iter_mut().zip(inside.into_iter().step_by(every)) {
        *cells = ChartLabelCells { x: format!("{:.1}", x(octaves, us)), text: number::latency(Some(us)).words() };
    }
    names
}

fn range(octaves: Octaves, row: usize) -> String {
    let (from_us, to_us) = octaves.bounds_us(row);
    format!("{} to {}", number::latency(Some(from_us)).words(), number::latency(Some(to_us)).words())
}

fn table(counts: &[u64], octaves: Octaves) -> [BarCells; ROWS_MAX] {
    let all: u64 = counts.iter().fold(0, |sum, count| sum.saturating_add(*count));
    let mut table = std::array::from_fn(|_| BarCells::default());
    let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    for (cells, (row, count)) in table.iter_mut().zip(filled) {
        let share = number::percent(format::health::ratio(*count, all)).words();
        *cells = BarCells { range: range(octaves, row), count: number::count(*count), share };
    }
    table
}

/// The text alternative: how many groups of latencies there are, and where.
fn summary(counts: &[u64], octaves: Octaves) -> String {
    let most = counts.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return "Latency distribution: no latency was measured.".into();
    }
    let at = |row: usize| counts.get(row).copied().unwrap_or(0);
    // A peak is higher than its neighbours, and at least a twentieth of the highest bar.
    let is_peak = |row: &usize| {
        let before = row.checked_sub(1).map_or(0, at);
        at(*row) > before && at(*row) >= at(row + 1) && at(*row) * 20 >= most
    };
    let peaks: Vec<String> = (0..counts.len()).filter(is_peak).map(|row| range(octaves, row)).collect();
    match peaks.as_slice() {
        [one] => format!("Latency distribution: most requests take {one}."),
        many => format!("Latency distribution: {} groups, at {}.", many.len(), many.join(", and at ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample::golden;

    #[test]
    fn two_groups_are_distinguished() {
        let mut both = golden(90, 0, 96);
        both.merge(&golden(10, 0, 1100));
        let (cells, table) = spread(&both);
        assert_eq!(cells.summary, "Latency distribution: 2 groups, at 88 ms to 125 ms, and at 1.00 s to 1.41 s.");
        assert_eq!(cells.most, "M36.5 18.0h32.0v110.0h-32.0z");
        assert_eq!(cells.slow, "M281.5 115.8h32.0v12.2h-32.0z");
        let words: Vec<_> = table.iter().take(3).map(|row| (row.range.as_str(), row.count.as_str())).collect();
        assert_eq!(words, [("88 ms to 125 ms", "90"), ("1.00 s to 1.41 s", "10"), ("", "")]);
    }

    #[test]
    fn the_names_of_the_quantiles_stand_apart_and_inside() {
        for ms in [1, 96, 60_000] {
            let (cells, _) = spread(&golden(50, 0, ms));
            let places = [&cells.p50, &cells.p95, &cells.p99].map(|name| name.x.parse::<f64>().unwrap());
            assert!(places[0] >= 38.9 && places[2] <= 381.1, "{places:?}");
            assert!(places[1] - places[0] >= 77.9 && places[2] - places[1] >= 77.9, "{places:?}");
        }
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let (cells, table) = spread(&GoldenMetrics::default());
        assert_eq!((cells.most.as_str(), cells.lines.as_str(), cells.p95.text.as_str()), ("", "", ""));
        assert_eq!(cells.summary, "Latency distribution: no latency was measured.");
        assert_eq!(table[0], BarCells::default());
    }
}
