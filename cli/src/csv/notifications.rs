//! Notices as CSV.

use api::notifications::Notification;
use format::column::{Column, NoticeColumn};
use format::csv::{CsvCell, table};

use crate::csv::{name, number, some, words};

/// One line for each notice.
pub(crate) fn file(notices: &[Notification]) -> String {
    table(NoticeColumn::ALL, notices, cell)
}

fn cell(notice: &Notification, column: NoticeColumn) -> CsvCell {
    match column {
        NoticeColumn::Id => words(&notice.id),
        NoticeColumn::State => name(&notice.state),
        NoticeColumn::Condition => name(&notice.condition),
        NoticeColumn::Namespace => words(&notice.namespace),
        NoticeColumn::Service => words(&notice.service),
        NoticeColumn::Since => words(&notice.since),
        NoticeColumn::ResolvedAt => some(notice.resolved_at.as_deref()),
        NoticeColumn::Times => number(notice.times),
        NoticeColumn::Pods => words(&notice.pods.iter().map(|pod| pod.pod.as_str()).collect::<Vec<_>>().join(" ")),
        NoticeColumn::PodsTotal => number(notice.pods_total),
        NoticeColumn::Detail => words(&notice.detail),
    }
}
