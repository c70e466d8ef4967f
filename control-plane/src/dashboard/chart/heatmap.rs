//! The latency heatmap: requests by latency and column, with p50, p95 and p99 as lines on top.

use mesh::golden::GoldenMetrics;
use serde::Serialize;

use crate::dashboard::chart::columns::Columns;
use crate::dashboard::chart::line::{apart, broken, rectangle};
use crate::dashboard::chart::log_axis::{AxisLabelCells, NAMES_MAX, Octaves};
use crate::dashboard::chart::{LEFT, RIGHT};
use crate::dashboard::zone::Zone;
use format::number;

/// Y coordinate of the plot's top edge.
pub const TOP: f64 = 6.0;
/// Y coordinate of the plot's bottom edge.
pub const BOTTOM: f64 = 278.0;

/// Number of shades, from few requests to many.
pub const SHADES: usize = 7;

/// Minimum count for the darkest shade, so that one request does not look like a crowd.
const MANY_MIN: f64 = 9.0;

/// Space between two cells.
const GAP: f64 = 1.0;

/// Minimum number of requests for a quantile: the p95 of three is only the slowest. A column with
/// fewer also takes the columns before it.
const TIMED_MIN: u64 = 10;

/// Maximum number of columns combined for a quantile.
const TOGETHER_MAX: usize = 12;

/// The line breaks after this many columns without a request.
const BREAK_AFTER: usize = 3;

/// The chart as SVG attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HeatmapCells {
    /// Text alternative of the chart.
    pub summary: String,
    /// The cells of each shade.
    pub shades: ShadeCells,
    /// The line of the median.
    pub p50: LineCells,
    /// The line of the 95th percentile.
    pub p95: LineCells,
    /// The line of the 99th percentile.
    pub p99: LineCells,
}

/// SVG paths of the cells by shade, palest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ShadeCells {
    /// Cells with the fewest requests.
    pub h1: String,
    /// Second shade.
    pub h2: String,
    /// Third shade.
    pub h3: String,
    /// Fourth shade.
    pub h4: String,
    /// Fifth shade.
    pub h5: String,
    /// Sixth shade.
    pub h6: String,
    /// Cells with the most requests.
    pub h7: String,
}

/// A line and the label at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LineCells {
    /// SVG path of the line.
    pub d: String,
    /// Y coordinate of the label.
    pub y: String,
    /// The label, such as `p95`; empty without a line.
    pub name: &'static str,
    /// The newest value of the line, formatted.
    pub value: String,
}

/// Builds the chart and its axis. Times in the text are in `zone`.
pub fn heatmap(columns: &Columns, zone: &Zone) -> (HeatmapCells, [AxisLabelCells; NAMES_MAX]) {
    let sum = columns.sum();
    let octaves = Octaves::of(&sum.latency);
    let lines = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)].map(|(name, q)| line(columns, octaves, name, q));
    let [p50, p95, p99] = beside(lines);
    let summary = summary(columns, &sum, zone);
    let shades = shades(columns, octaves);
    (HeatmapCells { summary, shades, p50, p95, p99 }, octaves.names((TOP, BOTTOM), (LEFT, RIGHT)))
}

fn shades(columns: &Columns, octaves: Octaves) -> ShadeCells {
    let counts: Vec<Vec<u64>> = columns.golden.iter().map(|golden| rows(golden, octaves)).collect();
    let most = counts.iter().flatten().copied().max().unwrap_or(0) as f64;
    let height = (BOTTOM - TOP) / octaves.rows() as f64;
    let width = columns.width();
    let mut paths: [String; SHADES] = std::array::from_fn(|_| String::new());
    for (column, rows) in counts.iter().enumerate() {
        for (row, count) in rows.iter().enumerate().filter(|(_, count)| **count > 0) {
            // Square root: the eye compares areas, and most cells hold few requests.
            let shade = (*count as f64 / most.max(MANY_MIN)).sqrt() * SHADES as f64;
            let path = &mut paths[(shade.ceil() as usize).clamp(1, SHADES) - 1];
            let corner = (LEFT + column as f64 * width + GAP / 2.0, BOTTOM - (row + 1) as f64 * height + GAP / 2.0);
            rectangle(path, corner, (width - GAP, height - GAP));
        }
    }
    let [h1, h2, h3, h4, h5, h6, h7] = paths;
    ShadeCells { h1, h2, h3, h4, h5, h6, h7 }
}

fn rows(golden: &GoldenMetrics, octaves: Octaves) -> Vec<u64> {
    let mut rows = vec![0_u64; octaves.rows()];
    rows[0] = golden.latency.zeros();
    for (index, count) in golden.latency.buckets() {
        let row = &mut rows[octaves.row(index)];
        *row = row.saturating_add(count);
    }
    rows
}

/// A line with its label, and the Y coordinate of its newest point.
fn line(columns: &Columns, octaves: Octaves, name: &'static str, q: f64) -> (f64, LineCells) {
    let y = |us: f64| BOTTOM - (BOTTOM - TOP) * octaves.share(us);
    let values: Vec<Option<f64>> =
        (0..columns.golden.len()).map(|column| around(&columns.golden, column)?.quantile_us(q)).collect();
    let points = values.iter().enumerate().map(|(column, us)| Some((columns.middle(column), y((*us)?))));
    let d = broken(points);
    let newest = values.iter().rev().find_map(|us| *us);
    let Some(newest_us) = newest.filter(|_| !d.is_empty()) else { return (BOTTOM, LineCells::default()) };
    let cells = LineCells { d, name, value: number::latency(Some(newest_us)).words(), ..LineCells::default() };
    (y(newest_us), cells)
}

/// The requests that a column's quantiles are computed from; `None` if there are too few.
fn around(golden: &[GoldenMetrics], column: usize) -> Option<GoldenMetrics> {
    let mut sum = GoldenMetrics::default();
    for (back, earlier) in golden[..=column].iter().rev().take(TOGETHER_MAX).enumerate() {
        sum.merge(earlier);
        match sum.latency.count() {
            0 if back + 1 >= BREAK_AFTER => return None,
            timed if timed >= TIMED_MIN => return Some(sum),
            _ => {}
        }
    }
    None
}

/// Moves the labels of the lines apart so that they do not overlap.
fn beside(lines: [(f64, LineCells); 3]) -> [LineCells; 3] {
    let mut heights = [0, 1, 2].map(|at: usize| lines[at].0);
    apart(&mut heights, TOP + 4.0, BOTTOM);
    let mut at = 0;
    lines.map(|(_, cells)| {
        let y = format!("{:.1}", heights[at] + 4.0);
        at += 1;
        LineCells { y, ..cells }
    })
}

/// The text alternative: the usual latency range, and how p95 changed.
fn summary(columns: &Columns, sum: &GoldenMetrics, zone: &Zone) -> String {
    let words = format!("Latency heatmap, {}.", columns.stretch(zone));
    let (Some(fast), Some(slow)) = (sum.quantile_us(0.1), sum.quantile_us(0.9)) else {
        return words + " No latency was measured.";
    };
    let say = |us: f64| number::latency(Some(us)).words();
    let range = if say(fast) == say(slow) { format!("about {}", say(fast)) } else { format!("{} to {}", say(fast), say(slow)) };
    let words = format!("{words} Most requests take {range}.");
    let half = columns.golden.len() / 2;
    let p95 = |golden: &[GoldenMetrics]| {
        let mut sum = GoldenMetrics::default();
        for golden in golden {
            sum.merge(golden);
        }
        sum.quantile_us(0.95)
    };
    let (Some(before), Some(after)) = (p95(&columns.golden[..half]), p95(&columns.golden[half..])) else { return words };
    let verb = match after / before.max(1.0) {
        times if times > 1.25 => "rose",
        times if times < 0.8 => "fell",
        _ => return format!("{words} p95 stayed near {}.", say(after)),
    };
    format!("{words} p95 {verb} from {} in the first half to {} in the second.", say(before), say(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample::golden;

    fn columns(each: Vec<GoldenMetrics>) -> Columns {
        Columns { from_ms: 1_763_647_335_000, step_ms: 5000, golden: each, to_come_ms: 0 }
    }

    #[test]
    fn a_cell_stands_for_its_requests() {
        let (cells, _) = heatmap(&columns(vec![golden(100, 0, 96), GoldenMetrics::default()]), &Zone::default());
        // 96 ms is in the half octave from 88 ms to 125 ms, of an axis from 16 ms to 1 s: the sixth of twelve rows.
        assert_eq!(cells.shades.h7, "M48.5 142.5h368.0v21.7h-368.0z");
        assert_eq!(cells.shades.h1, "");
        assert_eq!(cells.p50.d, "M232.5 161.8L601.5 161.8");
    }

    #[test]
    fn few_requests_are_pale_and_draw_no_line() {
        let (cells, _) = heatmap(&columns(vec![golden(1, 0, 96), golden(2, 0, 96)]), &Zone::default());
        assert!(!cells.shades.h3.is_empty() && cells.shades.h7.is_empty());
        assert_eq!((cells.p95.d.as_str(), cells.p95.name), ("", ""));
    }

    #[test]
    fn a_line_goes_on_through_columns_with_few_requests_and_breaks_where_there_are_none() {
        let each: Vec<_> = [10, 1, 0, 0, 0, 4, 9].iter().map(|hits| golden(*hits, 0, 96)).collect();
        let known: Vec<_> = (0..7).map(|column| around(&each, column).map(|sum| sum.latency.count())).collect();
        assert_eq!(known, [Some(10), Some(11), Some(11), Some(11), None, Some(15), Some(13)]);
    }

    #[test]
    fn the_names_of_lines_that_meet_can_be_read() {
        let (cells, _) = heatmap(&columns(vec![golden(50, 0, 96), golden(50, 0, 96)]), &Zone::default());
        let mut heights = [&cells.p50, &cells.p95, &cells.p99].map(|line| line.y.parse::<f64>().unwrap());
        heights.sort_by(f64::total_cmp);
        assert!(heights[1] - heights[0] >= 12.9 && heights[2] - heights[1] >= 12.9, "{heights:?}");
    }

    #[test]
    fn the_summary_says_what_is_seen() {
        let (cells, _) = heatmap(&columns(vec![golden(50, 0, 96), golden(50, 0, 960)]), &Zone::default());
        assert_eq!(
            cells.summary,
            "Latency heatmap, 14:02:15 to 14:02:25 UTC. Most requests take 92 ms to 958 ms. \
             p95 rose from 92 ms in the first half to 958 ms in the second."
        );
        assert!(
            heatmap(&columns(vec![GoldenMetrics::default(); 60]), &Zone::default())
                .0
                .summary
                .ends_with("No latency was measured.")
        );
        assert!(heatmap(&columns(Vec::new()), &Zone::default()).0.summary.ends_with("No latency was measured."));
    }
}
