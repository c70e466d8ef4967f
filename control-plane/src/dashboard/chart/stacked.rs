//! Requests by status over time, stacked: 5xx at the bottom, then 4xx, answers by rules, all others.

use mesh::golden::GoldenMetrics;
use serde::Serialize;

use crate::dashboard::chart::columns::Columns;
use crate::dashboard::chart::line::{apart, area, broken};
use crate::dashboard::chart::{LEFT, RIGHT};
use crate::dashboard::zone::Zone;
use format::number;

/// Y coordinate of the plot's top edge.
pub const TOP: f64 = 4.0;
/// Y coordinate of the plot's bottom edge.
pub const BOTTOM: f64 = 154.0;

/// Y coordinate of the highest grid line.
const HIGHEST: f64 = 10.0;

/// Number of grid steps from zero to the highest line.
const STEPS: usize = 3;

/// The chart as SVG attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StackedCells {
    /// Text alternative of the chart.
    pub summary: String,
    /// Area of all requests.
    pub all: String,
    /// The line along the top of that area.
    pub top: String,
    /// Area of the requests that rules answered, and everything below.
    pub ruled: String,
    /// Area of 4xx responses, and everything below.
    pub refused: String,
    /// Area of 5xx responses.
    pub failed: String,
    /// The newest rate of all requests.
    pub now: String,
    /// Y coordinate of that label.
    pub now_y: String,
    /// The newest rate of failures; empty if there are none.
    pub now_failed: String,
    /// Y coordinate of that label.
    pub now_failed_y: String,
    /// Rate at the second grid line; the first is zero.
    pub g1: String,
    /// Rate at the third grid line.
    pub g2: String,
    /// Rate at the highest grid line.
    pub g3: String,
}

/// Rates of one column; each kind includes all kinds below it.
#[derive(Debug, Clone, Copy, Default)]
struct Stack {
    failed: f64,
    refused: f64,
    ruled: f64,
    all: f64,
}

/// Y coordinates of the grid lines, from zero up.
pub fn grid() -> [f64; STEPS + 1] {
    std::array::from_fn(|step| BOTTOM - (BOTTOM - HIGHEST) * step as f64 / STEPS as f64)
}

/// Builds the chart. Times in the text are in `zone`.
pub fn stacked(columns: &Columns, zone: &Zone) -> StackedCells {
    let golden = columns.golden.iter().enumerate();
    let stacks: Vec<Stack> = golden.map(|(column, golden)| Stack::of(golden, columns.seconds(column))).collect();
    let most = stacks.iter().map(|stack| stack.all).fold(0.0, f64::max);
    let step = round_step(most / STEPS as f64);
    let y = |rate: f64| BOTTOM - (BOTTOM - HIGHEST) * rate / (step * STEPS as f64);
    let points = |part: fn(&Stack) -> f64| -> Vec<(f64, f64)> {
        stacks.iter().enumerate().map(|(column, stack)| (columns.middle(column), y(part(stack)))).collect()
    };
    let all = points(|stack| stack.all);
    let newest = stacks.last().copied().unwrap_or_default();
    let mut names = [y(newest.all), y(newest.failed)];
    apart(&mut names, TOP + 4.0, BOTTOM);
    let per_second = |rate: f64| format!("{}/s", number::rate(rate));
    StackedCells {
        summary: summary(columns, &stacks, zone),
        top: if most > 0.0 { broken(all.iter().copied().map(Some)) } else { String::new() },
        all: area(&all, BOTTOM),
        ruled: area(&points(|stack| stack.ruled), BOTTOM),
        refused: area(&points(|stack| stack.refused), BOTTOM),
        failed: area(&points(|stack| stack.failed), BOTTOM),
        now: per_second(newest.all),
        now_y: format!("{:.1}", names[0] + 4.0),
        now_failed: if newest.failed > 0.0 { per_second(newest.failed) } else { String::new() },
        now_failed_y: format!("{:.1}", names[1] + 4.0),
        g1: number::rate(step),
        g2: number::rate(step * 2.0),
        g3: number::rate(step * 3.0),
    }
}

impl Stack {
    fn of(golden: &GoldenMetrics, step_s: f64) -> Self {
        let failed = golden.failures().min(golden.served());
        // Rules answer only with 4xx or 5xx: lower classes come from the service, and its other successes are 4xx.
        let fine: u64 = [0, 1, 2, 3].map(|hundreds| golden.class(hundreds)).iter().fold(0, |sum, part| sum.saturating_add(*part));
        let refused = golden.served().saturating_sub(failed).saturating_sub(fine);
        let rate = |count: u64| count as f64 / step_s;
        Self {
            failed: rate(failed),
            refused: rate(failed + refused),
            ruled: rate((failed + refused).saturating_add(golden.by_rule)),
            all: rate(golden.hits),
        }
    }
}

/// The smallest of 1, 2, 5, 10, 20, … that is at least `least`.
fn round_step(least: f64) -> f64 {
    if least <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= least * 0.999_999);
    step.unwrap_or(10.0 * power)
}

/// The text alternative: lowest, highest and newest rate, and the failures.
fn summary(columns: &Columns, stacks: &[Stack], zone: &Zone) -> String {
    let words = format!("Requests per second by status, {}.", columns.stretch(zone));
    let Some(last) = stacks.last().filter(|_| stacks.iter().any(|stack| stack.all > 0.0)) else {
        return words + " No requests.";
    };
    let lowest = stacks.iter().map(|stack| stack.all).fold(f64::INFINITY, f64::min);
    let most = stacks.iter().map(|stack| stack.all).fold(0.0, f64::max);
    let failed = stacks.iter().map(|stack| stack.failed).fold(0.0, f64::max);
    let failures = if failed > 0.0 {
        format!("5xx reach {} a second, {} at the end.", number::rate(failed), number::rate(last.failed))
    } else {
        "No 5xx.".into()
    };
    format!(
        "{words} Between {} and {}, {} at the end. {failures}",
        number::rate(lowest),
        number::rate(most),
        number::rate(last.all)
    )
}

/// The grid lines as one SVG path.
pub fn grid_path() -> String {
    grid().iter().fold(String::new(), |path, y| path + &format!("M{} {y:.1}H{RIGHT}", LEFT - 4.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample::golden;

    fn columns(each: Vec<GoldenMetrics>) -> Columns {
        Columns { from_ms: 1_763_647_335_000, step_ms: 1000, golden: each, to_come_ms: 0 }
    }

    #[test]
    fn kinds_lie_upon_each_other() {
        let mut mixed = golden(60, 10, 5);
        mixed.add_status(404, 20);
        mixed.hits += 20;
        mixed.add_status(503, 10);
        (mixed.hits, mixed.by_rule) = (mixed.hits + 10, 10);
        let stack = Stack::of(&mixed, 1.0);
        assert_eq!((stack.failed, stack.refused, stack.ruled, stack.all), (10.0, 30.0, 40.0, 90.0));
    }

    #[test]
    fn areas_stand_on_the_axis_and_round_rates_beside_it() {
        let cells = stacked(&columns(vec![golden(60, 0, 5), golden(30, 15, 5)]), &Zone::default());
        assert_eq!(cells.all, "M232.5 154.0L232.5 10.0L601.5 82.0L601.5 154.0z");
        assert_eq!(cells.failed, "M232.5 154.0L232.5 154.0L601.5 118.0L601.5 154.0z");
        assert_eq!((cells.g1.as_str(), cells.g3.as_str()), ("20.0", "60.0"));
        assert_eq!((cells.now.as_str(), cells.now_failed.as_str()), ("30.0/s", "15.0/s"));
        assert!(cells.summary.ends_with("Between 30.0 and 60.0, 30.0 at the end. 5xx reach 15.0 a second, 15.0 at the end."));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let cells = stacked(&columns(vec![GoldenMetrics::default(); 60]), &Zone::default());
        assert_eq!((cells.all.as_str(), cells.top.as_str(), cells.now.as_str()), ("", "", "0/s"));
        assert!(cells.summary.ends_with("No requests."));
        assert_eq!(stacked(&columns(Vec::new()), &Zone::default()).all, "");
    }

    #[test]
    fn steps_are_round() {
        for (least, step) in [(0.0, 1.0), (0.7, 1.0), (1.0, 1.0), (1.1, 2.0), (14.0, 20.0), (21.0, 50.0), (5.1, 10.0)] {
            assert!((round_step(least) - step).abs() < 1e-9, "{least}");
        }
        assert_eq!(grid_path(), "M44 154.0H786M44 106.0H786M44 58.0H786M44 10.0H786");
    }
}
