//! The grouping of the pods page: none, by service or by node, each group below its own heading.

use format::label::service_label;
use format::number;
use mesh::stable_hash::ShortId;

use crate::dashboard::heading::HeadingCells;
use crate::query::snapshot::PodRow;

/// How pods are grouped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Grouping {
    /// No grouping.
    #[default]
    None,
    /// By service.
    Service,
    /// By node.
    Node,
}

impl Grouping {
    /// All groupings, with their names in a URL and on the page.
    pub const EACH: [(Self, &'static str, &'static str); 3] =
        [(Self::None, "", "No grouping"), (Self::Service, "service", "By service"), (Self::Node, "node", "By node")];

    /// The grouping that a URL names; none if the name is unknown.
    pub fn named(name: &str) -> Self {
        Self::EACH.into_iter().find(|(_, known, _)| *known == name).map(|(grouping, ..)| grouping).unwrap_or_default()
    }

    /// The key of a pod's group.
    pub fn of(self, pod: &PodRow) -> String {
        let workload = &pod.workload;
        match self {
            Self::None => String::new(),
            Self::Service => service_label(&workload.namespace, &workload.service),
            Self::Node => workload.node.clone(),
        }
    }

    /// The heading of a group; `None` without grouping.
    pub fn heading(self, common: &str, pods: usize) -> Option<HeadingCells> {
        let name = match self {
            Self::None => return None,
            Self::Node if common.is_empty() => "No node reported",
            Self::Service | Self::Node => common,
        };
        let title = format!("{name}, {}", number::plural(pods, "pod", "pods"));
        Some(HeadingCells::new(ShortId::new(b'g', common.bytes()).to_string(), title))
    }
}
