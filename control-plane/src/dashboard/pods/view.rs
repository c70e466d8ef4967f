//! The columns of the table of pods, and the view that a URL asks for.

use crate::dashboard::order::{By, SortColumn, SortOrder, column};
use crate::dashboard::pods::condition::Condition;
use crate::dashboard::pods::group::Grouping;
use crate::dashboard::query::ViewQuery;
use format::column::PodColumn;

/// The columns of the table.
pub const COLUMNS: [SortColumn; 10] = [
    column(Some(By::Name), "pod", "Pod", ""),
    column(Some(By::Pod(PodColumn::State)), "status", "Status", ""),
    column(Some(By::Pod(PodColumn::Version)), "version", "Sidecar", ""),
    column(Some(By::Pod(PodColumn::Memory)), "memory", "Memory used", ""),
    column(Some(By::Pod(PodColumn::Cpu)), "cpu", "CPU", "r"),
    column(None, "history", "CPU, 5 min", "opt"),
    column(Some(By::Pod(PodColumn::Rps)), "rps", "Req/s", "r"),
    column(Some(By::Pod(PodColumn::ConnectedAt)), "connected", "Connected for", "r opt"),
    column(Some(By::Pod(PodColumn::HeardAt)), "age", "Telemetry age", "r"),
    column(Some(By::Pod(PodColumn::Revision)), "receipt", "Last receipt", "r"),
];

/// Which pods to show, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PodsView {
    /// Only pods in this condition.
    pub show: Option<Condition>,
    /// Only pods of which a name in lower case contains this.
    pub find: String,
    /// What the rows are grouped by.
    pub grouping: Grouping,
    /// The order of the rows, within each group.
    pub order: SortOrder,
}

impl From<ViewQuery> for PodsView {
    fn from(query: ViewQuery) -> Self {
        let order = query.order(&[], &COLUMNS);
        let show = Condition::EACH.into_iter().find(|condition| condition.name() == query.show);
        Self { show, find: query.needle(), grouping: Grouping::named(&query.group), order }
    }
}
