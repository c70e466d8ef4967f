//! Sparklines in rows and tiles: text for the `d` attribute of an SVG path.

use std::fmt::Write as _;

/// The height of every sparkline's view box. A unit is a tenth of a pixel on most screens, so that whole numbers
/// suffice.
const HEIGHT: i32 = 260;

/// The y coordinate of the highest point, low enough that its stroke is not clipped.
const TOP: f64 = 45.0;

/// The y coordinate of zero.
const ZERO: f64 = 250.0;

/// How far a line runs outside the view box where it must be invisible.
const OUTSIDE: i32 = 40;

/// The height of the smallest bar, so that every failure is visible.
const BAR_MIN: f64 = 15.0;

/// The share of its step that a bar fills.
const BAR_SHARE: f64 = 0.78;

/// Bytes of one point of a path, such as ` 18-102`.
const POINT_BYTES: usize = 7;

/// The width of a view box.
#[derive(Debug, Clone, Copy)]
pub enum Width {
    /// A row's, 1080.
    Row,
    /// A tile's, 840.
    Tile,
}

impl Width {
    fn units(self) -> i32 {
        match self {
            Self::Row => 1080,
            Self::Tile => 840,
        }
    }
}

/// One path that is both the line and the area under it; empty if nothing happened.
///
/// It leaves the view box on the left, below and on the right, where the box clips it. So the stroke shows along the
/// values only, and one path is sent instead of two. Each point is relative to the one before, which is half as long as
/// absolute coordinates.
pub fn area(values: &[f64], width: Width) -> String {
    let max = values.iter().copied().fold(0.0, f64::max);
    if max <= 0.0 || values.len() < 2 {
        return String::new();
    }
    let step = f64::from(width.units()) / (values.len() - 1) as f64;
    let point = |(at, value): (usize, &f64)| (whole(at as f64 * step), whole(ZERO - (ZERO - TOP) * value / max));
    let mut points = values.iter().enumerate().map(point);
    let (mut x, mut y) = points.next().unwrap_or_default();
    let mut path = String::with_capacity(POINT_BYTES * (values.len() + 5));
    let _ = write!(path, "M-{OUTSIDE} {}V{y}H0", HEIGHT + OUTSIDE);
    let mut word = 'l';
    for (to_x, to_y) in points {
        path.push(word);
        number(&mut path, to_x - x);
        if to_y >= y {
            path.push(' ');
        }
        number(&mut path, to_y - y);
        (x, y, word) = (to_x, to_y, ' ');
    }
    let _ = write!(path, "H{}V{}", width.units() + OUTSIDE, HEIGHT + OUTSIDE);
    path
}

/// Writes an integer. A large page has more than a hundred thousand of them, and `fmt` takes several times as long.
fn number(path: &mut String, value: i32) {
    path.push_str(itoa::Buffer::new().format(value));
}

/// Rounds to the nearest unit. Every coordinate in a view box is a small number.
fn whole(place: f64) -> i32 {
    place.round() as i32
}

/// The dashed line where nothing happened: the counterpart of [`area`].
pub fn nothing(values: &[f64], width: Width) -> String {
    if values.iter().any(|value| *value > 0.0) { String::new() } else { format!("M0 {ZERO}H{}", width.units()) }
}

/// A bar for each step that had failures, on the scale of the traffic's [`area`].
pub fn bars(failures: &[f64], traffic_max: f64, width: Width) -> String {
    let step = f64::from(width.units()) / failures.len().max(1) as f64;
    let (mut path, wide) = (String::new(), whole(step * BAR_SHARE));
    for (at, count) in failures.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        let (x, height) = (whole(at as f64 * step), whole(((ZERO - TOP) * count / traffic_max.max(*count)).max(BAR_MIN)));
        let _ = write!(path, "M{x} {HEIGHT}h{wide}v-{height}h-{wide}z");
    }
    path
}

/// A dot of the given radius for each position in a line of dots 12 apart.
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
        assert_eq!(area(&[0.0, 2.0, 1.0], Width::Row), "M-40 300V250H0l540-205 540 103H1120V300");
    }

    #[test]
    fn an_area_ends_where_its_width_does_however_many_points_it_has() {
        for points in 2..400 {
            let values: Vec<f64> = (0..points).map(|at| f64::from(at * 7919 % 101)).collect();
            let path = area(&values, Width::Row);
            let steps = path.split_once('l').unwrap().1.split_once('H').unwrap().0.replace('-', " -");
            let numbers: Vec<i32> = steps.split(' ').filter(|part| !part.is_empty()).map(|part| part.parse().unwrap()).collect();
            assert_eq!(numbers.len(), 2 * (values.len() - 1));
            assert_eq!(numbers.iter().step_by(2).sum::<i32>(), 1080, "{path}");
        }
    }

    #[test]
    fn nothing_is_a_dashed_line_and_no_area() {
        assert_eq!(area(&[0.0; 60], Width::Tile), "");
        assert_eq!(area(&[], Width::Tile), "");
        assert_eq!(nothing(&[0.0; 60], Width::Tile), "M0 250H840");
        assert_eq!(nothing(&[0.0, 1.0], Width::Row), "");
    }

    #[test]
    fn a_single_failure_among_thousands_can_still_be_seen() {
        assert_eq!(bars(&[0.0, 1.0], 10_000.0, Width::Row), "M540 260h421v-15h-421z");
        assert_eq!(bars(&[5.0], 5.0, Width::Row), "M0 260h842v-205h-842z");
    }

    #[test]
    fn dots_stand_at_their_places() {
        assert_eq!(dots([0, 2].into_iter(), 4.0), "M0.5 5a4 4 0 1 0 8 0a4 4 0 1 0 -8 0M24.5 5a4 4 0 1 0 8 0a4 4 0 1 0 -8 0");
    }
}
