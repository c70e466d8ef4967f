//! Lays the map out in columns: callers left of the services they call, with few crossings and no overlap.

use std::collections::{BTreeMap, BTreeSet};

/// Number of ordering sweeps; the order settles after a few.
const SWEEPS: usize = 8;

/// A graph of numbered nodes and directed edges.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Number of nodes.
    pub nodes: usize,
    /// Edges as (from, to), without duplicates. A self-loop is drawn but does not affect positions.
    pub edges: Vec<(usize, usize)>,
}

/// The positions of a graph's nodes and the paths of its edges, in columns and rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The position of each node.
    pub nodes: Vec<GridCell>,
    /// The positions that each edge passes between its ends, one per column.
    pub ways: Vec<Vec<GridCell>>,
    /// Number of columns.
    pub columns: usize,
    /// Number of rows of the fullest column.
    pub rows: usize,
}

/// A position. Rows of a column that is not full are centred, so a row may be a half.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GridCell {
    /// Column from the left.
    pub column: usize,
    /// Row from the top.
    pub row: f64,
}

/// Lays a graph out. The result is deterministic.
pub fn layout(graph: &Graph) -> Layout {
    let forward = without_cycles(graph);
    let columns = columns(graph.nodes, &forward);
    let (chains, mut layers) = layered(graph, &columns);
    put_in_order(&chains, &mut layers);
    let rows = layers.iter().map(Vec::len).max().unwrap_or(0);
    let mut places = BTreeMap::new();
    for (column, layer) in layers.iter().enumerate() {
        for (at, stop) in layer.iter().enumerate() {
            places.insert(*stop, GridCell { column, row: at as f64 + (rows - layer.len()) as f64 / 2.0 });
        }
    }
    Layout {
        nodes: (0..graph.nodes).map(|node| places[&Stop::Node(node)]).collect(),
        ways: chains.iter().map(|chain| chain[1..chain.len() - 1].iter().map(|stop| places[stop]).collect()).collect(),
        columns: layers.len(),
        rows,
    }
}

/// An item of a column: a node, or an edge that passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    Node(usize),
    /// The edge of that index, in that column.
    Passing(usize, usize),
}

/// The edges without self-loops, with every edge reversed that would close a cycle.
fn without_cycles(graph: &Graph) -> Vec<(usize, usize)> {
    let mut targets: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes];
    for (from, to) in &graph.edges {
        targets[*from].push(*to);
    }
    let has_callers: BTreeSet<usize> = graph.edges.iter().filter(|(from, to)| from != to).map(|(_, to)| *to).collect();
    // Nodes without callers are leftmost, so the search begins with them.
    let (first, then): (Vec<usize>, Vec<usize>) = (0..graph.nodes).partition(|node| !has_callers.contains(node));
    let mut finished = vec![usize::MAX; graph.nodes];
    let mut clock = 0;
    for start in first.into_iter().chain(then) {
        search(start, &targets, &mut finished, &mut clock);
    }
    // An edge leads forward if its start finished after its end.
    let turn = |(from, to): &(usize, usize)| if finished[*from] > finished[*to] { (*from, *to) } else { (*to, *from) };
    graph.edges.iter().filter(|(from, to)| from != to).map(turn).collect()
}

/// Numbers the reachable nodes in the order a depth-first search finishes them. Iterative: chains may be long.
fn search(start: usize, targets: &[Vec<usize>], finished: &mut [usize], clock: &mut usize) {
    const BEGUN: usize = usize::MAX - 1;
    let mut open = vec![(start, 0)];
    if finished[start] != usize::MAX {
        return;
    }
    finished[start] = BEGUN;
    while let Some((node, next)) = open.pop() {
        let Some(target) = targets[node].get(next) else {
            finished[node] = *clock;
            *clock += 1;
            continue;
        };
        open.push((node, next + 1));
        if finished[*target] == usize::MAX {
            finished[*target] = BEGUN;
            open.push((*target, 0));
        }
    }
}

/// The column of each node: the length of the longest path to it.
fn columns(nodes: usize, forward: &[(usize, usize)]) -> Vec<usize> {
    let mut columns = vec![0; nodes];
    // Each round settles at least one more node of every chain; no chain is longer than `nodes`.
    for _ in 0..nodes {
        let mut is_settled = true;
        for (from, to) in forward {
            if columns[*to] <= columns[*from] {
                columns[*to] = columns[*from] + 1;
                is_settled = false;
            }
        }
        if is_settled {
            break;
        }
    }
    columns
}

/// For each edge its stops from left to right, and all stops by column.
fn layered(graph: &Graph, columns: &[usize]) -> (Vec<Vec<Stop>>, Vec<Vec<Stop>>) {
    let mut layers: Vec<Vec<Stop>> = vec![Vec::new(); columns.iter().max().map_or(0, |most| most + 1)];
    for (node, column) in columns.iter().enumerate() {
        layers[*column].push(Stop::Node(node));
    }
    let mut chains = Vec::new();
    for (edge, (from, to)) in graph.edges.iter().enumerate() {
        let (left, right) = if columns[*from] <= columns[*to] { (*from, *to) } else { (*to, *from) };
        let mut chain = vec![Stop::Node(left)];
        for (column, layer) in layers.iter_mut().enumerate().take(columns[right]).skip(columns[left] + 1) {
            layer.push(Stop::Passing(edge, column));
            chain.push(Stop::Passing(edge, column));
        }
        chain.push(Stop::Node(right));
        chains.push(chain);
    }
    (chains, layers)
}

/// Sorts columns, in both directions, by the mean position of each stop's neighbours: fewer edges cross.
fn put_in_order(chains: &[Vec<Stop>], layers: &mut [Vec<Stop>]) {
    let mut neighbours: BTreeMap<Stop, Vec<Stop>> = BTreeMap::new();
    for pair in chains.iter().flat_map(|chain| chain.windows(2)) {
        neighbours.entry(pair[0]).or_default().push(pair[1]);
        neighbours.entry(pair[1]).or_default().push(pair[0]);
    }
    for sweep in 0..SWEEPS {
        let is_down = sweep % 2 == 0;
        for step in 1..layers.len() {
            let (at, beside) = if is_down { (step, step - 1) } else { (layers.len() - 1 - step, layers.len() - step) };
            let place: BTreeMap<Stop, usize> = layers[beside].iter().enumerate().map(|(at, stop)| (*stop, at)).collect();
            let mut ordered: Vec<(f64, Stop)> = Vec::new();
            for (own, stop) in layers[at].iter().enumerate() {
                let known: Vec<f64> = neighbours
                    .get(stop)
                    .into_iter()
                    .flatten()
                    .filter_map(|beside| place.get(beside))
                    .map(|at| *at as f64)
                    .collect();
                let middle = if known.is_empty() { own as f64 } else { known.iter().sum::<f64>() / known.len() as f64 };
                ordered.push((middle, *stop));
            }
            ordered.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            layers[at] = ordered.into_iter().map(|(_, stop)| stop).collect();
        }
    }
}

#[cfg(test)]
mod tests;
