//! The texts and numbers of the map's boxes and curves.

use mesh::stable_hash::ShortId;
use serde::Serialize;

use crate::dashboard::map::choice;
use crate::dashboard::map::edge_path::corner;
use crate::dashboard::map::layout::GridCell;
use crate::dashboard::map::mesh::{MapCaller, MapEdge, Name, ServiceMap};
use crate::dashboard::order::SortKeys;
use crate::dashboard::pods::row::encoded;
use crate::dashboard::query::DisplayWindow;
use format::health::HealthLevel;
use format::number;

/// Letters of a name that fit into a box beside the focus link.
const LETTERS_MAX: usize = 17;

/// The live values of a box.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NodeCells {
    /// Element id.
    pub id: String,
    /// Address that the box links to.
    pub href: String,
    /// Address of the map of this service and its neighbours; empty if there is none.
    pub focus: String,
    /// SVG transform that positions the box.
    pub place: String,
    /// The name, shortened if it is long.
    pub name: String,
    /// The full name with its numbers, for the tooltip.
    pub title: String,
    /// Requests per second, and failures.
    pub words: String,
    /// `bad`, `warn` or empty.
    pub level: &'static str,
    /// How many endpoints are off; empty if none.
    pub off: String,
}

/// The live values of a curve and of its row in the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EdgeCells {
    /// The template that the script makes the row from.
    pub kind: &'static str,
    /// Element id.
    pub id: String,
    /// SVG path of the curve; empty if one end is not drawn.
    pub path: String,
    /// Stroke width.
    pub width: String,
    /// `bad`, `warn` or empty.
    pub level: &'static str,
    /// `yes` if an endpoint that it calls is off, else `no`.
    pub broken: &'static str,
    /// X coordinate of the label.
    pub x: String,
    /// Y coordinate of the label.
    pub y: String,
    /// The label.
    pub label: String,
    /// The caller.
    pub from: String,
    /// The called service.
    pub to: String,
    /// Address of the called service's endpoints.
    pub href: String,
    /// Address of the map of the called service and its neighbours.
    pub focus: String,
    /// Requests per second.
    pub rps: String,
    /// Failures per second.
    pub failing: String,
    /// How many called endpoints are off.
    pub off: String,
}

impl EdgeCells {
    /// An empty row that the script clones.
    pub fn blank() -> Self {
        Self { kind: "row", ..Self::default() }
    }

    /// Element id of the table row.
    pub fn row_id(&self) -> String {
        format!("r{}", self.id)
    }

    /// A sentence about its failures, for the text alternative.
    pub fn sentence(&self) -> String {
        format!("{} calls {} with {} failures/s", self.from, self.to, self.failing)
    }
}

impl NodeCells {
    /// The live values of the box of a service or a caller.
    pub(super) fn of(caller: &MapCaller, mesh: &ServiceMap, place: GridCell, span: DisplayWindow) -> Self {
        let (x, y) = corner(place);
        let id = ShortId::new(b'n', key(caller).bytes()).to_string();
        let place = format!("translate({x:.0} {y:.0})");
        let MapCaller::Service(name) = caller else {
            let words = if *caller == MapCaller::Outside { "unknown callers" } else { "unattributed" };
            return Self {
                id,
                place,
                href: "./".into(),
                name: label(caller),
                title: format!("{}: {words}", label(caller)),
                words: words.into(),
                ..Self::default()
            };
        };
        let service = mesh.services.get(name).cloned().unwrap_or_default();
        let whole = label(caller);
        let failing = if service.level > HealthLevel::Calm {
            format!(" · {} 5xx", number::percent(service.failing_ratio).words())
        } else {
            String::new()
        };
        let words = format!("{}/s{failing}", number::rate(service.rps));
        let off = if service.off == 0 {
            String::new()
        } else {
            format!("{} of {} off", service.off, number::plural(service.endpoints, "endpoint", "endpoints"))
        };
        Self {
            id,
            href: href_of(name, span),
            focus: focus_of(name, span),
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
    /// The live values of the curve of a connection, without the position of its label.
    pub(super) fn of(edge: &MapEdge, path: String, span: DisplayWindow) -> Self {
        let (from, to) = (label(&edge.from), choice::label(&edge.to));
        let failing = if edge.level > HealthLevel::Calm {
            format!(" · {} 5xx/s", number::rate(edge.failures_per_s))
        } else {
            String::new()
        };
        let off = if edge.off > 0 { format!("{} off", edge.off) } else { String::new() };
        let label =
            format!("{}/s{failing}{}", number::rate(edge.rps), if off.is_empty() { String::new() } else { format!(" · {off}") });
        Self {
            kind: "row",
            id: ShortId::new(b'w', format!("{}\u{0}{to}", key(&edge.from)).bytes()).to_string(),
            path,
            // Ten times the traffic adds 1.5 to the stroke width.
            width: format!("{:.1}", 1.2 + 1.5 * (1.0 + edge.rps).log10()),
            level: edge.level.name(),
            broken: if edge.off > 0 { "yes" } else { "no" },
            label,
            href: href_of(&edge.to, span),
            focus: focus_of(&edge.to, span),
            from,
            to,
            rps: number::rate(edge.rps),
            failing: number::rate(edge.failures_per_s),
            off: if off.is_empty() { number::MISSING.into() } else { off },
            ..Self::default()
        }
    }
}

/// The sort keys of a curve's table row.
pub(super) fn keys(edge: &MapEdge) -> SortKeys {
    let name = [label(&edge.from), choice::label(&edge.to), String::new()];
    SortKeys { urgency: edge.level as u8, is_last: false, name, rps: edge.rps, values: Vec::new() }
}

fn label(caller: &MapCaller) -> String {
    match caller {
        MapCaller::Outside => "Outside".into(),
        MapCaller::Others => "Others".into(),
        MapCaller::Service(name) => choice::label(name),
    }
}

/// Where a box links to: the endpoints of a service, or a namespace.
fn href_of(name: &Name, span: DisplayWindow) -> String {
    if name.1.is_empty() { focus_of(name, span) } else { at("./", "service", &choice::label(name), span) }
}

/// The address of the map of a service and its neighbours, or of a namespace.
fn focus_of(name: &Name, span: DisplayWindow) -> String {
    if name.1.is_empty() { at("map", "namespace", &name.0, span) } else { at("map", "focus", &choice::label(name), span) }
}

fn at(path: &str, part: &str, value: &str, span: DisplayWindow) -> String {
    let carried = span.carried().replace('?', "&");
    format!("{path}?{part}={}{carried}", encoded(value))
}

/// A unique key of a box; the NUL prefix keeps it unique if a service is called `Outside`.
fn key(caller: &MapCaller) -> String {
    match caller {
        MapCaller::Outside | MapCaller::Others => format!("\u{0}{}", label(caller)),
        MapCaller::Service(_) => label(caller),
    }
}

fn cut(name: &str) -> String {
    if name.chars().count() <= LETTERS_MAX {
        name.to_owned()
    } else {
        // Keep the start and the end: the end of a name distinguishes more than its middle.
        let (half, letters) = (LETTERS_MAX / 2, name.chars().count());
        name.chars().take(half).chain(['…']).chain(name.chars().skip(letters - half)).collect()
    }
}
