//! Places the labels of the map's connections: on their own curve, without covering other things if possible.

use std::collections::{HashMap, HashSet};

use crate::dashboard::map::edge_path::{BOX, EdgePath, Point, corner};
use crate::dashboard::map::layout::GridCell;

/// Up to this many labels are placed one by one. With more there is no room, and the search would
/// cost time every second; then each label takes the middle of its last segment.
const PLACED_MAX: usize = 200;

/// Half the height of a label, with a little padding.
const HALF_HEIGHT: f64 = 10.0;

/// Half the width of a letter.
const HALF_LETTER: f64 = 3.2;

/// Minimum number of letters to reserve: a number grows and shrinks while its label stays in place.
const LETTERS_MIN: usize = 8;

/// How often all labels are placed; each round uses the positions of the others.
const ROUNDS: usize = 3;

/// Side of the grid squares that index the points of curves.
const SQUARE: f64 = 32.0;

/// The cost of covering another label, a box or another curve, and of each step away from the best spot.
const ON_WORDS: f64 = 1000.0;
const ON_BOX: f64 = 500.0;
const ON_CURVE: f64 = 20.0;
const FURTHER: f64 = 1.0;

/// The rectangle that a label or a box covers.
#[derive(Debug, Clone, Copy)]
struct LabelBox {
    middle: Point,
    half: Point,
}

/// The points of all curves by grid square, each with the index of its curve.
type Squares = HashMap<(i64, i64), Vec<(Point, usize)>>;

/// The centre of each connection's label.
pub(super) fn places(connections: &[(&EdgePath, &str)], nodes: &[GridCell]) -> Vec<Point> {
    let mut patches: Vec<LabelBox> = connections.iter().map(|(way, words)| LabelBox::of(way.spots[0], words)).collect();
    if connections.len() <= PLACED_MAX {
        let boxes: Vec<LabelBox> = nodes.iter().map(|node| LabelBox::of_box(*node)).collect();
        let squares = squares(connections);
        // Place the widest labels first: they have the fewest free spots.
        let mut order: Vec<usize> = (0..patches.len()).collect();
        order.sort_by(|a, b| patches[*b].half.0.total_cmp(&patches[*a].half.0));
        for _ in 0..ROUNDS {
            for at in &order {
                patches[*at] = best(*at, connections[*at].0, &patches, &boxes, &squares);
            }
        }
    }
    patches.into_iter().map(|patch| patch.middle).collect()
}

/// The best spot for one label while all others stay in place.
fn best(at: usize, way: &EdgePath, patches: &[LabelBox], boxes: &[LabelBox], squares: &Squares) -> LabelBox {
    let cost = |(rank, patch): (usize, LabelBox)| {
        let others = patches.iter().enumerate().filter(|(other, them)| *other != at && patch.meets(**them)).count();
        let boxes = boxes.iter().filter(|them| patch.meets(**them)).count();
        let bad = ON_WORDS * others as f64 + ON_BOX * boxes as f64 + ON_CURVE * patch.curves(at, squares) as f64;
        (bad + FURTHER * rank as f64, patch)
    };
    let spots = way.spots.iter().map(|spot| LabelBox { middle: *spot, ..patches[at] });
    let best = spots.enumerate().map(cost).min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map_or(patches[at], |(_, patch)| patch)
}

impl LabelBox {
    fn of(middle: Point, words: &str) -> Self {
        let letters = words.chars().count().max(LETTERS_MIN);
        Self { middle, half: (HALF_LETTER * letters as f64, HALF_HEIGHT) }
    }

    fn of_box(place: GridCell) -> Self {
        let (half, corner) = ((BOX.0 / 2.0, BOX.1 / 2.0), corner(place));
        Self { middle: (corner.0 + half.0, corner.1 + half.1), half }
    }

    fn meets(self, other: Self) -> bool {
        (self.middle.0 - other.middle.0).abs() < self.half.0 + other.half.0
            && (self.middle.1 - other.middle.1).abs() < self.half.1 + other.half.1
    }

    /// How many other curves pass below it.
    fn curves(self, own: usize, squares: &Squares) -> usize {
        let (low, high) = (
            square((self.middle.0 - self.half.0, self.middle.1 - self.half.1)),
            square((self.middle.0 + self.half.0, self.middle.1 + self.half.1)),
        );
        let near = (low.0..=high.0).flat_map(|x| (low.1..=high.1).filter_map(move |y| squares.get(&(x, y)))).flatten();
        let below = near.filter(|(point, way)| *way != own && self.meets(Self { middle: *point, half: (0.0, 0.0) }));
        below.map(|(_, way)| way).collect::<HashSet<_>>().len()
    }
}

fn square(point: Point) -> (i64, i64) {
    ((point.0 / SQUARE).floor() as i64, (point.1 / SQUARE).floor() as i64)
}

fn squares(connections: &[(&EdgePath, &str)]) -> Squares {
    let mut squares = Squares::new();
    for (at, (way, _)) in connections.iter().enumerate() {
        for point in &way.points {
            squares.entry(square(*point)).or_default().push((*point, at));
        }
    }
    squares
}
