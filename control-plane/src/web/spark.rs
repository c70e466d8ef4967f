//! Draws the small charts in a row and in a tile: text for the `d` of an SVG path.

use std::fmt::Write as _;

/// The height of every sparkline's view box.
const HEIGHT: f64 = 26.0;

/// Where the highest point lies, so that its stroke is not cut.
const TOP: f64 = 4.5;

/// Where zero lies.
const ZERO: f64 = 25.0;

/// The height of the smallest bar: a failure that cannot be seen would be a lie.
const BAR_MIN: f64 = 1.5;

/// Bytes of one point of a path, such as `L108.0 14.8`.
const POINT_BYTES: usize = 11;

/// The width of a view box.
#[derive(Debug, Clone, Copy)]
pub enum Width {
    /// A row's, 108.
    Row,
    /// A tile's, 84.
    Tile,
}

impl Width {
    fn units(self) -> f64 {
        match self {
            Self::Row => 108.0,
            Self::Tile => 84.0,
        }
    }
}

/// One path that is both the line and the area under it.
///
/// It leaves the view box on the left, below and on the right, and the box cuts it there:
/// so the stroke shows along the values only, and one value travels where two would.
/// Empty if nothing happened.
pub fn area(values: &[f64], width: Width) -> String {
    let max = values.iter().copied().fold(0.0, f64::max);
    if max <= 0.0 || values.len() < 2 {
        return String::new();
    }
    let step = width.units() / (values.len() - 1) as f64;
    let y = |value: f64| ZERO - (ZERO - TOP) * value / max;
    let mut path = String::with_capacity(POINT_BYTES * (values.len() + 2));
    let _ = write!(path, "M-4 {}V", HEIGHT + 4.0);
    tenths(&mut path, y(values[0]));
    for (at, value) in values.iter().enumerate() {
        path.push('L');
        tenths(&mut path, at as f64 * step);
        path.push(' ');
        tenths(&mut path, y(*value));
    }
    let _ = write!(path, "H{}V{}", width.units() + 4.0, HEIGHT + 4.0);
    path
}

/// Writes a number that is not negative with one decimal. There are sixty thousand of these on a large page, and the
/// exact way to format a float takes ten times as long.
fn tenths(path: &mut String, value: f64) {
    let mut left = (value * 10.0).round() as u32;
    // From the last digit to the first; ten of them are the most that there can be.
    let (mut digits, mut first) = ([b'0'; 12], 10);
    (digits[11], digits[10]) = (b'0' + (left % 10) as u8, b'.');
    left /= 10;
    loop {
        first -= 1;
        digits[first] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    path.push_str(str::from_utf8(&digits[first..]).expect("digits and a point are text"));
}

/// The dashed line that stands where nothing happened: the counterpart of [`area`].
pub fn nothing(values: &[f64], width: Width) -> String {
    if values.iter().any(|value| *value > 0.0) { String::new() } else { format!("M0 {ZERO}H{}", width.units()) }
}

/// A bar for each step that had failures, on the scale of the traffic's [`area`].
pub fn bars(failures: &[f64], traffic_max: f64, width: Width) -> String {
    let step = width.units() / failures.len().max(1) as f64;
    let (mut path, rise) = (String::new(), format!(" {HEIGHT}h"));
    for (at, count) in failures.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        let height = ((ZERO - TOP) * count / traffic_max.max(*count)).max(BAR_MIN);
        for (word, value) in [("M", at as f64 * step), (&*rise, step * 0.78), ("v-", height), ("h-", step * 0.78)] {
            path.push_str(word);
            tenths(&mut path, value);
        }
        path.push('z');
    }
    path
}

/// A dot of the given radius for each place in a line of dots 12 apart.
pub fn dots(places: impl Iterator<Item = usize>, radius: f64) -> String {
    let mut path = String::new();
    for place in places {
        let left = 4.5 + 12.0 * place as f64 - radius;
        let _ = write!(path, "M{left} 5a{radius} {radius} 0 1 0 {0} 0a{radius} {radius} 0 1 0 -{0} 0", radius * 2.0);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_runs_from_edge_to_edge_and_ends_outside() {
        assert_eq!(area(&[0.0, 2.0, 1.0], Width::Row), "M-4 30V25.0L0.0 25.0L54.0 4.5L108.0 14.8H112V30");
    }

    #[test]
    fn tenths_are_written_as_the_library_writes_them() {
        for value in [0.0, 0.04, 0.05, 9.96, 10.0, 108.0, 429_496_729.5] {
            let mut path = String::new();
            tenths(&mut path, value);
            assert_eq!(path, format!("{:.1}", (value * 10.0_f64).round() / 10.0));
        }
    }

    #[test]
    fn nothing_is_a_dashed_line_and_no_area() {
        assert_eq!(area(&[0.0; 60], Width::Tile), "");
        assert_eq!(area(&[], Width::Tile), "");
        assert_eq!(nothing(&[0.0; 60], Width::Tile), "M0 25H84");
        assert_eq!(nothing(&[0.0, 1.0], Width::Row), "");
    }

    #[test]
    fn a_single_failure_among_thousands_can_still_be_seen() {
        assert_eq!(bars(&[0.0, 1.0], 10_000.0, Width::Row), "M54.0 26h42.1v-1.5h-42.1z");
        assert_eq!(bars(&[5.0], 5.0, Width::Row), "M0.0 26h84.2v-20.5h-84.2z");
    }

    #[test]
    fn dots_stand_at_their_places() {
        assert_eq!(dots([0, 2].into_iter(), 4.0), "M0.5 5a4 4 0 1 0 8 0a4 4 0 1 0 -8 0M24.5 5a4 4 0 1 0 8 0a4 4 0 1 0 -8 0");
    }
}
