//! The paths of the map's connections: curves between boxes as SVG path text, and points along them.

use std::fmt::Write as _;

use crate::dashboard::map::layout::{GridCell, Layout};

/// Size of a box.
pub(super) const BOX: (f64, f64) = (188.0, 58.0);

/// Distance from one box to the next, horizontally and vertically.
const STEP: (f64, f64) = (360.0, 84.0);

/// Margin around the picture, so that no stroke is cut.
const MARGIN: f64 = 8.0;

/// Maximum distance of two points along a curve, so that no label fits between them.
const POINTS_APART: f64 = 6.0;

/// A point of the picture.
pub(super) type Point = (f64, f64);

/// The path of one connection.
#[derive(Debug)]
pub(super) struct EdgePath {
    /// SVG path of the curve.
    pub path: String,
    /// Points along it, close to each other.
    pub points: Vec<Point>,
    /// Candidate positions of its label, best first.
    pub spots: Vec<Point>,
}

/// Label positions along each segment between two stops, best first. Near the ends all paths of a box meet.
const SPOTS: [f64; 9] = [0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74];

impl EdgePath {
    /// The path from one box to another through the places between.
    pub(super) fn of(layout: &Layout, (from, to): (usize, usize), between: &[GridCell]) -> Self {
        let (start, end) = (layout.nodes[from], layout.nodes[to]);
        if from == to {
            return Self::around(corner(start));
        }
        let is_forward = start.column < end.column;
        let side = |place: GridCell, is_right: bool| {
            (corner(place).0 + if is_right { BOX.0 } else { 0.0 }, corner(place).1 + BOX.1 / 2.0)
        };
        // `between` is ordered from left to right, whatever the direction of the calls.
        let pass = |place: &GridCell| [side(*place, !is_forward), side(*place, is_forward)];
        let mut stops = vec![side(start, is_forward)];
        if is_forward {
            stops.extend(between.iter().flat_map(pass));
        } else {
            stops.extend(between.iter().rev().flat_map(pass));
        }
        stops.push(side(end, !is_forward));
        Self::through(&stops)
    }

    /// The path from a box to itself.
    fn around((x, y): Point) -> Self {
        let path = format!("M{:.0} {y:.0}c-20 -26 60 -26 40 0", x + BOX.0 / 2.0 - 20.0);
        let spot = (x + BOX.0 / 2.0, y - 22.0);
        Self { path, points: vec![spot], spots: vec![spot] }
    }

    fn through(stops: &[Point]) -> Self {
        let mut path = format!("M{:.0} {:.0}", stops[0].0, stops[0].1);
        let (mut points, mut stretches) = (Vec::new(), Vec::new());
        for pair in stops.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let middle = f64::midpoint(a.0, b.0);
            let _ = write!(path, "C{middle:.0} {:.0} {middle:.0} {:.0} {:.0} {:.0}", a.1, b.1, b.0, b.1);
            let parts = (((b.0 - a.0).abs() + 1.5 * (b.1 - a.1).abs()) / POINTS_APART).ceil().max(1.0) as usize;
            points.extend((0..=parts).map(|part| along(a, b, part as f64 / parts as f64)));
            stretches.push((a, b));
        }
        // Prefer the segment that ends at the called service.
        let spots = stretches.iter().rev().flat_map(|(a, b)| SPOTS.map(|part| along(*a, *b, part))).collect();
        Self { path, points, spots }
    }
}

/// A point of the curve between two stops, which is horizontal at both ends.
fn along(a: Point, b: Point, part: f64) -> Point {
    let rest = 1.0 - part;
    let middle = f64::midpoint(a.0, b.0);
    let bends = 3.0 * rest * rest * part + 3.0 * rest * part * part;
    let (begins, ends) = (rest * rest * (rest + 3.0 * part), part * part * (part + 3.0 * rest));
    (rest.powi(3) * a.0 + bends * middle + part.powi(3) * b.0, begins * a.1 + ends * b.1)
}

/// The upper left corner of the box at a place.
pub(super) fn corner(place: GridCell) -> Point {
    (MARGIN + place.column as f64 * STEP.0, MARGIN + place.row * STEP.1)
}

/// The size of the picture.
pub(super) fn size(layout: &Layout) -> (f64, f64) {
    let reach = |count: usize, step: f64, last: f64| (count.max(1) - 1) as f64 * step + last + 2.0 * MARGIN;
    (reach(layout.columns, STEP.0, BOX.0), reach(layout.rows, STEP.1, BOX.1))
}
