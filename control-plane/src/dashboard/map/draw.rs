//! Draws the map: selects the boxes, and draws the curves between them and their labels.

use std::collections::{BTreeMap, BTreeSet};

use ::mesh::stable_hash::ShortId;

use crate::dashboard::map::cells::{EdgeCells, NodeCells, keys};
use crate::dashboard::map::choice::MapView;
use crate::dashboard::map::edge_path::EdgePath;
use crate::dashboard::map::layout::{Graph, layout};
use crate::dashboard::map::mesh::{MapCaller, MapService, Name, ServiceMap};
use crate::dashboard::map::{edge_path, label, mesh};
use crate::dashboard::order::SortKeys;

/// Maximum services drawn for a part of the mesh, busiest first; more would be unreadable.
const DRAWN_MAX: usize = 60;

/// Maximum number of services drawn for the whole mesh: two screens if one caller calls all of them.
const DRAWN_OF_ALL_MAX: usize = 24;

/// The drawn map.
#[derive(Debug)]
pub struct Picture {
    /// Width of the SVG view box.
    pub width: f64,
    /// Height of the SVG view box.
    pub height: f64,
    /// The boxes.
    pub nodes: Vec<NodeBox>,
    /// The curves between them, including those to services that are not drawn.
    pub edges: Vec<EdgeCurve>,
}

/// A box.
#[derive(Debug)]
pub struct NodeBox {
    /// Whether the box represents callers that are no known service.
    pub is_outside: bool,
    /// Its live values.
    pub cells: NodeCells,
}

/// A curve.
#[derive(Debug)]
pub struct EdgeCurve {
    /// Its live values.
    pub cells: EdgeCells,
    /// The sort keys of its table row.
    pub keys: SortKeys,
}

impl Picture {
    /// Draws a mesh.
    pub fn of(mesh: &ServiceMap, view: &MapView) -> Self {
        let drawn = drawn(mesh, if view.is_part() { DRAWN_MAX } else { DRAWN_OF_ALL_MAX });
        let number: BTreeMap<&MapCaller, usize> = drawn.iter().enumerate().map(|(at, caller)| (caller, at)).collect();
        let ends = |edge: &mesh::MapEdge| Some((*number.get(&edge.from)?, *number.get(&MapCaller::Service(edge.to.clone()))?));
        let edges = mesh.edges.iter().filter_map(ends).collect::<BTreeSet<_>>().into_iter().collect();
        let graph = Graph { nodes: drawn.len(), edges };
        let layout = layout(&graph);
        let ways: BTreeMap<(usize, usize), usize> = graph.edges.iter().enumerate().map(|(at, ends)| (*ends, at)).collect();
        let node = |(at, caller): (usize, &MapCaller)| NodeBox {
            is_outside: !matches!(caller, MapCaller::Service(_)),
            cells: NodeCells::of(caller, mesh, layout.nodes[at], view.span),
        };
        let way = |ends: (usize, usize)| EdgePath::of(&layout, ends, &layout.ways[ways[&ends]]);
        let (mut edges, mut drawn_ways) = (Vec::new(), Vec::new());
        for edge in &mesh.edges {
            let way = ends(edge).map(way);
            let path = way.as_ref().map(|way| way.path.clone()).unwrap_or_default();
            drawn_ways.extend(way.map(|way| (edges.len(), way)));
            edges.push(EdgeCurve { cells: EdgeCells::of(edge, path, view.span), keys: keys(edge) });
        }
        let words = drawn_ways.iter().map(|(at, way)| (way, edges[*at].cells.label.as_str())).collect::<Vec<_>>();
        for ((at, _), (x, y)) in drawn_ways.iter().zip(label::places(&words, &layout.nodes)) {
            (edges[*at].cells.x, edges[*at].cells.y) = (format!("{x:.0}"), format!("{y:.0}"));
        }
        let (width, height) = edge_path::size(&layout);
        Self { width, height, nodes: drawn.iter().enumerate().map(node).collect(), edges }
    }

    /// A hash of all positions: it changes as soon as anything moves.
    pub fn shape(&self) -> String {
        let places = self.nodes.iter().map(|node| format!("{}{}", node.cells.id, node.cells.place));
        let paths = self
            .edges
            .iter()
            .filter(|edge| !edge.cells.path.is_empty())
            .map(|edge| format!("{}{}", edge.cells.id, edge.cells.path));
        ShortId::new(b's', places.chain(paths).flat_map(String::into_bytes)).to_string()
    }
}

/// The boxes to draw: the most urgent and busiest services, and the unknown callers of any service.
fn drawn(mesh: &ServiceMap, most: usize) -> Vec<MapCaller> {
    let mut services: Vec<(&Name, &MapService)> = mesh.services.iter().collect();
    services.sort_by(|(_, a), (_, b)| (b.level.cmp(&a.level)).then(b.rps.total_cmp(&a.rps)));
    services.truncate(most);
    let mut drawn: Vec<MapCaller> = services.into_iter().map(|(name, _)| MapCaller::Service(name.clone())).collect();
    let callers = [MapCaller::Outside, MapCaller::Others].into_iter();
    drawn.extend(callers.filter(|caller| mesh.edges.iter().any(|edge| edge.from == *caller)));
    drawn.sort();
    drawn
}
