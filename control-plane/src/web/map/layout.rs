//! Where things stand on the map: layers from left to right by who calls whom, few crossings, no two in one place.

use std::collections::{BTreeMap, BTreeSet};

/// How often the layers are put in order; it settles after a few.
const SWEEPS: usize = 8;

/// A graph by numbers: nodes from 0, edges from one to another.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// How many nodes there are.
    pub nodes: usize,
    /// From, to. No two are the same; one from a node to itself is drawn, but says nothing of where that stands.
    pub edges: Vec<(usize, usize)>,
}

/// The places of a graph's nodes and the ways of its edges, in columns and rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The column and the row of each node.
    pub nodes: Vec<Place>,
    /// The places that each edge passes between its ends, one in each column.
    pub ways: Vec<Vec<Place>>,
    /// Columns.
    pub columns: usize,
    /// Rows of the fullest column.
    pub rows: usize,
}

/// A column from the left, and a row from the top; rows of a column that is not full are centred, so they may be halves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// From the left.
    pub column: usize,
    /// From the top.
    pub row: f64,
}

/// Lays a graph out. The same graph always looks the same.
pub fn layout(graph: &Graph) -> Layout {
    let forward = without_cycles(graph);
    let columns = columns(graph.nodes, &forward);
    let (chains, mut layers) = layered(graph, &columns);
    put_in_order(&chains, &mut layers);
    let rows = layers.iter().map(Vec::len).max().unwrap_or(0);
    let mut places = BTreeMap::new();
    for (column, layer) in layers.iter().enumerate() {
        for (at, stop) in layer.iter().enumerate() {
            places.insert(*stop, Place { column, row: at as f64 + (rows - layer.len()) as f64 / 2.0 });
        }
    }
    Layout {
        nodes: (0..graph.nodes).map(|node| places[&Stop::Node(node)]).collect(),
        ways: chains.iter().map(|chain| chain[1..chain.len() - 1].iter().map(|stop| places[stop]).collect()).collect(),
        columns: layers.len(),
        rows,
    }
}

/// Something that stands in a column: a node, or an edge that passes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    Node(usize),
    /// The edge of that number, in that column.
    Passing(usize, usize),
}

/// The edges, each turned around that would close a circle.
fn without_cycles(graph: &Graph) -> Vec<(usize, usize)> {
    let mut targets: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes];
    for (from, to) in &graph.edges {
        targets[*from].push(*to);
    }
    let has_callers: BTreeSet<usize> = graph.edges.iter().filter(|(from, to)| from != to).map(|(_, to)| *to).collect();
    // Whoever nobody calls stands on the left, so the search begins there.
    let (first, then): (Vec<usize>, Vec<usize>) = (0..graph.nodes).partition(|node| !has_callers.contains(node));
    let mut finished = vec![usize::MAX; graph.nodes];
    let mut clock = 0;
    for start in first.into_iter().chain(then) {
        search(start, &targets, &mut finished, &mut clock);
    }
    // An edge leads forward if its start was finished after its end.
    let turn = |(from, to): &(usize, usize)| if finished[*from] > finished[*to] { (*from, *to) } else { (*to, *from) };
    graph.edges.iter().filter(|(from, to)| from != to).map(turn).collect()
}

/// Numbers the nodes that can be reached by when the search is done with them; without recursion, since a chain may be long.
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

/// The column of each node: the length of the longest way to it.
fn columns(nodes: usize, forward: &[(usize, usize)]) -> Vec<usize> {
    let mut columns = vec![0; nodes];
    // Each round settles at least one more node of every chain, and no chain is longer than there are nodes.
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

/// For each edge the stops from its left end to its right end, and all stops by column.
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

/// Moves each stop to the middle of its neighbours in the next column, to and fro, so that few edges cross.
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
