//! The time labels below a chart, at round times.

use serde::Serialize;

use crate::dashboard::chart::columns::Columns;

/// Maximum number of labels on the axis.
pub const TICKS_MAX: usize = 7;

/// Possible distances between two labels, in milliseconds: round numbers for people.
const EVERY_MS: [u64; 12] = [
    10_000,
    60_000,
    180_000,
    600_000,
    1_800_000,
    3_600_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    2 * 86_400_000,
    5 * 86_400_000,
];

/// A time label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TickCells {
    /// X coordinate.
    pub x: String,
    /// Milliseconds since the Unix epoch, for the script to format in the reader's zone. Empty if unused.
    pub ms: String,
    /// The time in UTC.
    pub text: String,
}

/// The labels at round times within the columns.
pub fn ticks(columns: &Columns) -> [TickCells; TICKS_MAX] {
    let (from_ms, to_ms) = (columns.from_ms, columns.to_ms());
    let fits = |every_ms: &u64| (to_ms - from_ms) / every_ms < TICKS_MAX as u64;
    let every_ms = EVERY_MS.into_iter().find(fits).unwrap_or(EVERY_MS[EVERY_MS.len() - 1]);
    let mut ticks = std::array::from_fn(|_| TickCells::default());
    let round = (from_ms.next_multiple_of(every_ms)..=to_ms).step_by(every_ms as usize);
    for (cells, at_ms) in ticks.iter_mut().zip(round) {
        *cells = TickCells {
            x: columns.x(at_ms).map_or_else(String::new, |x| format!("{x:.1}")),
            ms: at_ms.to_string(),
            text: match columns.moment(at_ms) {
                clock if every_ms < 60_000 => clock,
                day if day.contains(' ') => day,
                clock => clock[..5].to_owned(),
            },
        };
    }
    ticks
}

#[cfg(test)]
mod tests {
    use mesh::golden::GoldenMetrics;

    use super::*;

    fn shown(from_ms: u64, step_ms: u64) -> Vec<(String, String)> {
        let columns = Columns { from_ms, step_ms, golden: vec![GoldenMetrics::default(); 60], to_come_ms: 0 };
        ticks(&columns).into_iter().filter(|tick| !tick.ms.is_empty()).map(|tick| (tick.text, tick.x)).collect()
    }

    #[test]
    fn round_minutes_are_named_where_they_are() {
        let five_minutes = shown(1_763_647_335_000, 5000);
        let words: Vec<_> = five_minutes.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(words, ["14:03", "14:04", "14:05", "14:06", "14:07"]);
        assert_eq!(five_minutes[0].1, "158.7");
    }

    #[test]
    fn a_minute_has_ticks_by_the_second() {
        assert_eq!(shown(1_763_647_601_000, 1000)[0].0, "14:06:50");
        assert_eq!(shown(1_763_647_601_000, 1000).len(), 6);
    }
}
