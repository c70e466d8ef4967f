//! Chart data over time: an endpoint's counts in equal time steps, oldest first.

use std::time::Duration;

use mesh::golden::GoldenMetrics;

use crate::counts::timeline::series::Series;
use crate::counts::timeline::time_range::TimeRange;
use crate::dashboard::chart::{LEFT, RIGHT};
use crate::dashboard::zone::Zone;
use format::time;

/// Maximum number of columns in a chart: what a screen can resolve.
pub const COLUMNS_MAX: u64 = 60;

/// Allowed column lengths in seconds: multiples of the timeline's slots (1 s, further back 10 s).
const STEPS_S: [u64; 9] = [1, 5, 10, 20, 60, 300, 600, 1800, 3600];

/// An endpoint's counts by column.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// Start of the first column, in milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// Length of a column in milliseconds.
    pub step_ms: u64,
    /// The counts of each column.
    pub golden: Vec<GoldenMetrics>,
    /// Part of the last column that is in the future, in milliseconds; zero except in long windows.
    pub to_come_ms: u64,
}

/// From this chart length on, times include the day.
const DAYS_FROM_MS: u64 = 2 * 86_400_000;

impl Columns {
    /// The columns of the last `window`, up to the last completed step.
    pub fn of(series: &Series, window: Duration, now_ms: u64) -> Self {
        let (step_ms, columns) = steps(window);
        let stretch = TimeRange::steps(step_ms, columns, now_ms);
        Self { from_ms: stretch.from_ms, step_ms, golden: series.steps(stretch, step_ms), to_come_ms: 0 }
    }

    /// The first millisecond after the last column.
    pub fn to_ms(&self) -> u64 {
        self.from_ms + self.step_ms * self.golden.len() as u64
    }

    /// How many seconds of a column have passed; at least one.
    pub fn seconds(&self, column: usize) -> f64 {
        let is_last = column + 1 == self.golden.len();
        let passed_ms = self.step_ms.saturating_sub(if is_last { self.to_come_ms } else { 0 });
        passed_ms.max(1000) as f64 / 1000.0
    }

    /// Formats an instant of this chart in UTC.
    pub fn moment(&self, at_ms: u64) -> String {
        if self.shows_days() { time::day_and_time(at_ms) } else { time::clock(at_ms) }
    }

    /// Formats start and end of the chart in the reader's zone: `14:02:15 to 14:07:15 UTC`.
    pub fn stretch(&self, zone: &Zone) -> String {
        let (from_ms, to_ms) = (self.from_ms, self.to_ms());
        let from = if self.shows_days() { zone.moment(from_ms) } else { zone.clock(from_ms) };
        let to = if self.shows_days() { zone.moment(to_ms) } else { zone.time(to_ms) };
        format!("{from} to {to}")
    }

    fn shows_days(&self) -> bool {
        self.to_ms() - self.from_ms >= DAYS_FROM_MS
    }

    /// Width of a column in SVG units.
    pub fn width(&self) -> f64 {
        (RIGHT - LEFT) / self.golden.len().max(1) as f64
    }

    /// X coordinate of the middle of a column.
    pub fn middle(&self, column: usize) -> f64 {
        LEFT + (column as f64 + 0.5) * self.width()
    }

    /// X coordinate of an instant; `None` if it is outside the chart.
    pub fn x(&self, at_ms: u64) -> Option<f64> {
        let span_ms = self.to_ms() - self.from_ms;
        let is_on_it = span_ms > 0 && (self.from_ms..=self.to_ms()).contains(&at_ms);
        is_on_it.then(|| LEFT + (RIGHT - LEFT) * (at_ms - self.from_ms) as f64 / span_ms as f64)
    }

    /// The sum of all columns.
    pub fn sum(&self) -> GoldenMetrics {
        let mut sum = GoldenMetrics::default();
        self.golden.iter().for_each(|golden| sum.merge(golden));
        sum
    }
}

/// Length of a column in milliseconds, and the number of columns.
pub fn steps(window: Duration) -> (u64, usize) {
    let window_s = window.as_secs().max(1);
    let step_s = STEPS_S.into_iter().find(|step_s| step_s * COLUMNS_MAX >= window_s).unwrap_or(STEPS_S[STEPS_S.len() - 1]);
    (step_s * 1000, (window_s / step_s).clamp(1, COLUMNS_MAX) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample::NOW_MS;

    #[test]
    fn five_minutes_are_sixty_columns_of_five_seconds() {
        assert_eq!(steps(Duration::from_secs(60)), (1000, 60));
        assert_eq!(steps(Duration::from_secs(300)), (5000, 60));
        assert_eq!(steps(Duration::from_secs(900)), (20_000, 45));
        assert_eq!(steps(Duration::from_secs(3600)), (60_000, 60));
        assert_eq!(steps(Duration::ZERO), (1000, 1));
    }

    #[test]
    fn a_chart_begins_and_ends_by_the_clock_of_its_reader() {
        let columns = |step_ms| Columns { from_ms: NOW_MS, step_ms, golden: vec![GoldenMetrics::default(); 60], to_come_ms: 0 };
        let berlin = Zone::named("Europe/Berlin");
        assert_eq!(columns(5000).stretch(&berlin), "15:07:41 to 15:12:41 CET");
        assert_eq!(columns(5000).stretch(&Zone::default()), "14:07:41 to 14:12:41 UTC");
        assert_eq!(columns(3_600_000).stretch(&berlin), "20 November 2025, 15:07:41 CET to 23 November 2025, 03:07:41 CET");
    }

    #[test]
    fn instants_lie_between_the_edges() {
        let columns = Columns { from_ms: 1000, step_ms: 500, golden: vec![GoldenMetrics::default(); 4], to_come_ms: 0 };
        assert_eq!((columns.x(1000), columns.x(2000), columns.x(3000)), (Some(48.0), Some(417.0), Some(786.0)));
        assert_eq!((columns.x(999), columns.x(3001)), (None, None));
        assert!((columns.middle(0) - 140.25).abs() < 1e-9);
    }
}
