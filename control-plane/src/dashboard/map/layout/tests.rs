//! Layouts of chains, diamonds, cycles and random graphs.

use proptest::prelude::*;

use crate::dashboard::map::layout::*;

fn graph(nodes: usize, edges: &[(usize, usize)]) -> Graph {
    Graph { nodes, edges: edges.to_vec() }
}

fn columns_of(layout: &Layout) -> Vec<usize> {
    layout.nodes.iter().map(|place| place.column).collect()
}

#[test]
fn callers_stand_left_of_the_services_that_they_call() {
    let layout = layout(&graph(4, &[(0, 1), (1, 2), (0, 2), (2, 3)]));
    assert_eq!(columns_of(&layout), [0, 1, 2, 3]);
    assert_eq!(layout.ways[2].len(), 1, "the short cut passes the column between");
    assert_eq!((layout.columns, layout.rows), (4, 2));
}

#[test]
fn a_circle_is_cut_somewhere() {
    assert_eq!(columns_of(&layout(&graph(3, &[(0, 1), (1, 2), (2, 0)]))), [0, 1, 2]);
    assert_eq!(columns_of(&layout(&graph(2, &[(0, 1), (1, 0)]))), [0, 1]);
    assert_eq!(columns_of(&layout(&graph(1, &[(0, 0)]))), [0]);
}

#[test]
fn edges_that_need_not_cross_do_not() {
    // Edges 0 → 3 and 1 → 2 would cross in the order of the node numbers.
    let layout = layout(&graph(4, &[(0, 3), (1, 2)]));
    assert_eq!((layout.nodes[0].row < layout.nodes[1].row), (layout.nodes[3].row < layout.nodes[2].row));
}

#[test]
fn a_service_without_calls_has_a_place_too() {
    let layout = layout(&graph(3, &[]));
    assert_eq!(columns_of(&layout), [0, 0, 0]);
    assert_eq!(layout.nodes.iter().map(|place| place.row as usize).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(crate::dashboard::map::layout::layout(&Graph::default()).columns, 0);
}

proptest! {
    #[test]
    fn nothing_stands_on_anything_else(nodes in 1..20_usize, pairs in proptest::collection::btree_set((0..20_usize, 0..20_usize), 0..60)) {
        let edges: Vec<_> = pairs.into_iter().filter(|(from, to)| *from < nodes && *to < nodes).collect();
        let layout = layout(&graph(nodes, &edges));
        let mut places: Vec<(usize, u64)> =
            layout.nodes.iter().chain(layout.ways.iter().flatten()).map(|place| (place.column, (place.row * 2.0) as u64)).collect();
        let count = places.len();
        places.sort_unstable();
        places.dedup();
        prop_assert_eq!(places.len(), count);
        for ((from, to), way) in edges.iter().zip(&layout.ways) {
            let (a, b) = (layout.nodes[*from].column, layout.nodes[*to].column);
            prop_assert!(from == to || a != b, "an edge stands upright");
            prop_assert_eq!(way.len() + usize::from(a != b), a.abs_diff(b));
        }
    }
}
