//! What pods are put together by: nothing, their service, or their node; each group below a heading of its own.

use crate::snapshot::PodRow;
use crate::web::format;
use crate::web::heading::HeadingCells;
use crate::web::pods::row::id_of;
use crate::web::row::service_label;

/// What they are put together by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Grouping {
    /// Nothing.
    #[default]
    None,
    /// The service that they are copies of.
    Service,
    /// The node that they run on.
    Node,
}

impl Grouping {
    /// All of them, with their names in a URL and on the page.
    pub const EACH: [(Self, &'static str, &'static str); 3] =
        [(Self::None, "", "No grouping"), (Self::Service, "service", "By service"), (Self::Node, "node", "By node")];

    /// The one that a URL names.
    pub fn named(name: &str) -> Self {
        Self::EACH.into_iter().find(|(_, known, _)| *known == name).map(|(grouping, ..)| grouping).unwrap_or_default()
    }

    /// What a pod has in common with the others of its group.
    pub fn of(self, pod: &PodRow) -> String {
        let workload = &pod.workload;
        match self {
            Self::None => String::new(),
            Self::Service => service_label(&workload.namespace, &workload.service),
            Self::Node => workload.node.clone(),
        }
    }

    /// What stands above a group, if there are any.
    pub fn heading(self, common: &str, pods: usize) -> Option<HeadingCells> {
        let name = match self {
            Self::None => return None,
            Self::Node if common.is_empty() => "No node reported",
            Self::Service | Self::Node => common,
        };
        let title = format!("{name}, {}", format::plural(pods, "pod", "pods"));
        Some(HeadingCells::new(id_of('g', common), title))
    }
}
