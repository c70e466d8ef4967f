//! Builds SVG path text for lines, areas and rectangles, and keeps labels beside lines from overlapping.

use std::fmt::Write as _;

/// Minimum distance between two labels: the height of their text.
const APART: f64 = 13.0;

/// A line through these points. A missing point breaks it; a single point becomes a short dash.
pub fn broken(points: impl IntoIterator<Item = Option<(f64, f64)>>) -> String {
    let (mut path, mut run) = (String::new(), 0);
    let end = |path: &mut String, run: usize| {
        if run == 1 {
            path.push_str("h3");
        }
    };
    for point in points {
        let Some((x, y)) = point else {
            end(&mut path, run);
            run = 0;
            continue;
        };
        let _ = write!(path, "{}{x:.1} {y:.1}", if run == 0 { 'M' } else { 'L' });
        run += 1;
    }
    end(&mut path, run);
    path
}

/// The area between a line and the height `base`; empty if no point is above `base`.
pub fn area(points: &[(f64, f64)], base: f64) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    if points.iter().all(|(_, y)| *y >= base) {
        return String::new();
    }
    let mut path = format!("M{:.1} {base:.1}", first.0);
    for (x, y) in points {
        let _ = write!(path, "L{x:.1} {y:.1}");
    }
    let _ = write!(path, "L{:.1} {base:.1}z", last.0);
    path
}

/// Appends a rectangle to a path.
pub fn rectangle(path: &mut String, (x, y): (f64, f64), (width, height): (f64, f64)) {
    let _ = write!(path, "M{x:.1} {y:.1}h{width:.1}v{height:.1}h-{width:.1}z");
}

/// Vertical lines at these X coordinates.
pub fn uprights(places: impl IntoIterator<Item = f64>, top: f64, bottom: f64) -> String {
    let mut path = String::new();
    for x in places {
        let _ = write!(path, "M{x:.1} {top}V{bottom}");
    }
    path
}

/// Moves label heights apart as little as needed, in their current order.
pub fn apart(heights: &mut [f64], top: f64, bottom: f64) {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|a, b| heights[*a].total_cmp(&heights[*b]));
    let mut free = top;
    for at in &order {
        heights[*at] = heights[*at].max(free);
        free = heights[*at] + APART;
    }
    let mut limit = bottom;
    for at in order.iter().rev() {
        heights[*at] = heights[*at].min(limit);
        limit = heights[*at] - APART;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_where_nothing_is_known() {
        let points = [Some((0.0, 1.0)), Some((2.0, 3.0)), None, Some((6.0, 1.5)), None];
        assert_eq!(broken(points), "M0.0 1.0L2.0 3.0M6.0 1.5h3");
        assert_eq!(broken([None, None]), "");
    }

    #[test]
    fn an_area_stands_on_its_base() {
        assert_eq!(area(&[(0.0, 5.0), (2.0, 3.0)], 9.0), "M0.0 9.0L0.0 5.0L2.0 3.0L2.0 9.0z");
        assert_eq!(area(&[(0.0, 9.0), (2.0, 9.0)], 9.0), "", "a line along the base encloses nothing");
        assert_eq!(area(&[], 9.0), "");
    }

    #[test]
    fn names_are_moved_apart_and_stay_inside() {
        let mut heights = [50.0, 48.0, 20.0];
        apart(&mut heights, 10.0, 100.0);
        assert_eq!(heights.map(|y| y as u32), [61, 48, 20]);
        let mut low = [99.0, 98.0];
        apart(&mut low, 10.0, 100.0);
        assert_eq!(low.map(|y| y as u32), [100, 87]);
    }
}
