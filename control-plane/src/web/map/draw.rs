//! Draws the map: boxes and curves as text for SVG, and the words and numbers on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::web::format;
use crate::web::judge::Level;
use crate::web::map::layout::{Graph, Layout, Place, layout};
use crate::web::map::mesh::{self, Caller, Mesh, Name, Service};
use crate::web::order::SortKeys;
use crate::web::pods::row::encoded;
use crate::web::row::service_label;

/// Services that are drawn, the busiest; more could not be told apart.
const DRAWN_MAX: usize = 60;

/// A box.
const BOX: (f64, f64) = (188.0, 58.0);

/// From one box to the next.
const STEP: (f64, f64) = (330.0, 84.0);

/// Around everything, so that no stroke is cut.
const MARGIN: f64 = 8.0;

/// Letters of a name that find room in a box.
const LETTERS_MAX: usize = 22;

/// The map, drawn.
#[derive(Debug)]
pub struct Picture {
    /// The size of the view box.
    pub width: f64,
    /// The size of the view box.
    pub height: f64,
    /// The boxes.
    pub nodes: Vec<Node>,
    /// The curves between them, also those to services that are not drawn.
    pub edges: Vec<Edge>,
}

/// A box.
#[derive(Debug)]
pub struct Node {
    /// Whether it stands for all who are not known.
    pub is_outside: bool,
    /// What it shows.
    pub cells: NodeCells,
}

/// What a box shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NodeCells {
    /// Its id in the page.
    pub id: String,
    /// Where it leads.
    pub href: String,
    /// Its place.
    pub place: String,
    /// The name, perhaps cut.
    pub name: String,
    /// The whole of it, with its numbers.
    pub title: String,
    /// Requests per second, and failures.
    pub words: String,
    /// `bad`, `warn` or nothing.
    pub level: &'static str,
    /// What is off, if anything is.
    pub off: String,
}

/// A curve.
#[derive(Debug)]
pub struct Edge {
    /// What it shows.
    pub cells: EdgeCells,
    /// By what its row in the table is sorted.
    pub keys: SortKeys,
}

/// What a curve shows, and its row in the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EdgeCells {
    /// From which template a script makes the row.
    pub kind: &'static str,
    /// Its id in the page.
    pub id: String,
    /// The curve; nothing if one end is not drawn.
    pub path: String,
    /// Its width.
    pub width: String,
    /// `bad`, `warn` or nothing.
    pub level: &'static str,
    /// `yes` if an endpoint that it leads to is off.
    pub broken: &'static str,
    /// Where its words stand.
    pub x: String,
    /// Where its words stand.
    pub y: String,
    /// The words.
    pub label: String,
    /// Who calls.
    pub from: String,
    /// Whom.
    pub to: String,
    /// The endpoints of that service.
    pub href: String,
    /// Requests per second.
    pub rps: String,
    /// Failures per second.
    pub failing: String,
    /// Endpoints that are off.
    pub off: String,
}

impl EdgeCells {
    /// A row that says nothing, to be cloned.
    pub fn blank() -> Self {
        Self { kind: "row", ..Self::default() }
    }

    /// The id of its row in the table.
    pub fn row_id(&self) -> String {
        format!("r{}", self.id)
    }

    /// What is wrong with it.
    pub fn sentence(&self) -> String {
        format!("{} calls {} with {} failures/s", self.from, self.to, self.failing)
    }
}

impl Picture {
    /// The picture of a mesh.
    pub fn of(mesh: &Mesh) -> Self {
        let drawn = drawn(mesh);
        let number: BTreeMap<&Caller, usize> = drawn.iter().enumerate().map(|(at, caller)| (caller, at)).collect();
        let ends = |edge: &mesh::Edge| Some((*number.get(&edge.from)?, *number.get(&Caller::Service(edge.to.clone()))?));
        let edges = mesh.edges.iter().filter_map(ends).collect::<BTreeSet<_>>().into_iter().collect();
        let graph = Graph { nodes: drawn.len(), edges };
        let layout = layout(&graph);
        let ways: BTreeMap<(usize, usize), usize> = graph.edges.iter().enumerate().map(|(at, ends)| (*ends, at)).collect();
        let node = |(at, caller): (usize, &Caller)| Node {
            is_outside: !matches!(caller, Caller::Service(_)),
            cells: NodeCells::of(caller, mesh, layout.nodes[at]),
        };
        let edge = |edge: &mesh::Edge| {
            let way = ends(edge).map(|ends| curve(&layout, ends, &layout.ways[ways[&ends]]));
            Edge { cells: EdgeCells::of(edge, way), keys: keys(edge) }
        };
        Self {
            width: (layout.columns.max(1) - 1) as f64 * STEP.0 + BOX.0 + 2.0 * MARGIN,
            height: (layout.rows.max(1) - 1) as f64 * STEP.1 + BOX.1 + 2.0 * MARGIN,
            nodes: drawn.iter().enumerate().map(node).collect(),
            edges: mesh.edges.iter().map(edge).collect(),
        }
    }

    /// What stands where, as a short text: another one as soon as anything stands elsewhere.
    pub fn shape(&self) -> String {
        let places = self.nodes.iter().map(|node| format!("{}{}", node.cells.id, node.cells.place));
        let paths = self
            .edges
            .iter()
            .filter(|edge| !edge.cells.path.is_empty())
            .map(|edge| format!("{}{}", edge.cells.id, edge.cells.path));
        id_of('s', &places.chain(paths).collect::<String>())
    }
}

/// Who gets a box: the busiest services and whoever calls one of them.
fn drawn(mesh: &Mesh) -> Vec<Caller> {
    let mut services: Vec<(&Name, &Service)> = mesh.services.iter().collect();
    services.sort_by(|(_, a), (_, b)| (b.level.cmp(&a.level)).then(b.rps.total_cmp(&a.rps)));
    services.truncate(DRAWN_MAX);
    let mut drawn: Vec<Caller> = services.into_iter().map(|(name, _)| Caller::Service(name.clone())).collect();
    let callers = [Caller::Outside, Caller::Others].into_iter();
    drawn.extend(callers.filter(|caller| mesh.edges.iter().any(|edge| edge.from == *caller)));
    drawn.sort();
    drawn
}

impl NodeCells {
    fn of(caller: &Caller, mesh: &Mesh, place: Place) -> Self {
        let (x, y) = corner(place);
        let id = id_of('n', &key(caller));
        let place = format!("translate({x:.0} {y:.0})");
        let Caller::Service(name) = caller else {
            let words = if *caller == Caller::Outside { "no pods that we know" } else { "not told apart" };
            return Self {
                id,
                place,
                href: "/".into(),
                name: label(caller),
                title: format!("{}: {words}", label(caller)),
                words: words.into(),
                ..Self::default()
            };
        };
        let service = mesh.services.get(name).cloned().unwrap_or_default();
        let whole = label(caller);
        let failing = if service.level > Level::Calm {
            format!(" · {} 5xx", format::percent(service.failing_ratio).words())
        } else {
            String::new()
        };
        let words = format!("{}/s{failing}", format::rate(service.rps));
        let off = if service.off == 0 {
            String::new()
        } else {
            format!("{} of {} off", service.off, format::plural(service.endpoints, "endpoint", "endpoints"))
        };
        Self {
            id,
            href: format!("/?service={}", encoded(&whole)),
            place,
            name: cut(&whole),
            title: [whole, words.clone(), off.clone()]
                .iter()
                .filter(|part| !part.is_empty())
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
            words,
            level: service.level.name(),
            off,
        }
    }
}

impl EdgeCells {
    fn of(edge: &mesh::Edge, way: Option<(String, (f64, f64))>) -> Self {
        let (from, to) = (label(&edge.from), service_label(&edge.to.0, &edge.to.1));
        let (path, (x, y)) = way.unwrap_or_default();
        let failing =
            if edge.level > Level::Calm { format!(" · {} 5xx/s", format::rate(edge.failures_per_s)) } else { String::new() };
        let off = if edge.off > 0 { format!("{} off", edge.off) } else { String::new() };
        let label =
            format!("{}/s{failing}{}", format::rate(edge.rps), if off.is_empty() { String::new() } else { format!(" · {off}") });
        Self {
            kind: "row",
            id: id_of('w', &format!("{}\u{0}{to}", key(&edge.from))),
            path,
            // Ten times the traffic is a stroke and a half more.
            width: format!("{:.1}", 1.2 + 1.5 * (1.0 + edge.rps).log10()),
            level: edge.level.name(),
            broken: if edge.off > 0 { "yes" } else { "no" },
            x: format!("{x:.0}"),
            y: format!("{y:.0}"),
            label,
            href: format!("/?service={}", encoded(&to)),
            from,
            to,
            rps: format::rate(edge.rps),
            failing: format::rate(edge.failures_per_s),
            off: if off.is_empty() { format::MISSING.into() } else { off },
        }
    }
}

fn keys(edge: &mesh::Edge) -> SortKeys {
    let name = [label(&edge.from), service_label(&edge.to.0, &edge.to.1), String::new()];
    SortKeys { urgency: edge.level as u8, is_last: false, name, numbers: vec![edge.rps] }
}

fn label(caller: &Caller) -> String {
    match caller {
        Caller::Outside => "Outside".into(),
        Caller::Others => "Others".into(),
        Caller::Service((namespace, service)) => service_label(namespace, service),
    }
}

/// What tells a box from all others, a service that is called `Outside` included.
fn key(caller: &Caller) -> String {
    match caller {
        Caller::Outside | Caller::Others => format!("\u{0}{}", label(caller)),
        Caller::Service(_) => label(caller),
    }
}

/// A curve from one box to another through the places between, and where its words stand.
fn curve(layout: &Layout, (from, to): (usize, usize), way: &[Place]) -> (String, (f64, f64)) {
    let (start, end) = (layout.nodes[from], layout.nodes[to]);
    if from == to {
        let (x, y) = corner(start);
        let path = format!("M{:.0} {y:.0}c-20 -26 60 -26 40 0", x + BOX.0 / 2.0 - 20.0);
        return (path, (x + BOX.0 / 2.0, y - 22.0));
    }
    let is_forward = start.column < end.column;
    let side =
        |place: Place, is_right: bool| (corner(place).0 + if is_right { BOX.0 } else { 0.0 }, corner(place).1 + BOX.1 / 2.0);
    // A way is told from left to right, whichever way the calls go.
    let pass = |place: &Place| [side(*place, !is_forward), side(*place, is_forward)];
    let mut stops = vec![side(start, is_forward)];
    if is_forward {
        stops.extend(way.iter().flat_map(pass));
    } else {
        stops.extend(way.iter().rev().flat_map(pass));
    }
    stops.push(side(end, !is_forward));
    let mut path = format!("M{:.0} {:.0}", stops[0].0, stops[0].1);
    for pair in stops.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let middle = f64::midpoint(a.0, b.0);
        let _ = write!(path, "C{middle:.0} {:.0} {middle:.0} {:.0} {:.0} {:.0}", a.1, b.1, b.0, b.1);
    }
    let last = (stops[stops.len() - 2], stops[stops.len() - 1]);
    (path, (f64::midpoint(last.0.0, last.1.0), f64::midpoint(last.0.1, last.1.1)))
}

/// The upper left corner of what stands at a place.
fn corner(place: Place) -> (f64, f64) {
    (MARGIN + place.column as f64 * STEP.0, MARGIN + place.row * STEP.1)
}

fn cut(name: &str) -> String {
    if name.chars().count() <= LETTERS_MAX {
        name.to_owned()
    } else {
        name.chars().take(LETTERS_MAX - 1).chain(['…']).collect()
    }
}

/// An id for the page: names are not fit for one themselves.
fn id_of(kind: char, name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{kind}{:012x}", hash & 0xffff_ffff_ffff)
}
