//! The topic of an event stream: a page, and the query parameters that decide what it shows.

use std::sync::Arc;

use crate::clock;
use crate::dashboard::audit::AuditView;
use crate::dashboard::live_frame::LiveFrame;
use crate::dashboard::map::Map;
use crate::dashboard::map::choice::MapView;
use crate::dashboard::order::{SortColumn, SortOrder};
use crate::dashboard::overview::Overview;
use crate::dashboard::overview::chosen::ALL_ROWS_MAX;
use crate::dashboard::overview::columns::COLUMNS;
use crate::dashboard::pods::{PodsTable, PodsView};
use crate::dashboard::query::{DisplayWindow, OverviewQuery, ViewQuery};
use crate::dashboard::zone::Zone;
use crate::dashboard::{Web, endpoint, pods};
use crate::query::long_windows::{self, Depth};
use crate::query::snapshot::Snapshot;
use crate::store::StoreError;

/// A live page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Every endpoint; on a large mesh, those that pass the filter.
    Overview(OverviewQuery),
    /// The pods.
    Pods(PodsView),
    /// The map of which service calls which.
    Map(MapView),
    /// The audit log.
    Audit(AuditView),
    /// One endpoint, by its id.
    Endpoint(String, DisplayWindow, Zone),
}

impl Topic {
    /// The topic that a query names, and the order of its rows; times are shown in the reader's zone.
    pub fn of(query: ViewQuery, zone: Zone) -> (Self, SortOrder) {
        match &*query.page {
            "pods" => {
                let view = PodsView::from(query);
                let order = view.order;
                (Self::Pods(view), order)
            }
            "map" => (Self::Map(MapView::from(query)), SortOrder::default()),
            "audit" => (Self::Audit(AuditView::of(query, zone)), SortOrder::default()),
            "endpoint" => (Self::Endpoint(query.id.clone(), OverviewQuery::from(query).window, zone), SortOrder::default()),
            _ => {
                let view = OverviewQuery::from(query);
                let order = view.order;
                (Self::Overview(view), order)
            }
        }
    }

    /// The topic that is computed: with few endpoints, it is the same for every filter.
    fn shared(&self, endpoints: usize) -> Self {
        match self {
            Self::Overview(view) if endpoints <= ALL_ROWS_MAX => {
                Self::Overview(OverviewQuery { window: view.window, ..OverviewQuery::default() })
            }
            other => other.clone(),
        }
    }

    /// The window that it shows.
    fn span(&self) -> DisplayWindow {
        match self {
            Self::Overview(view) => view.window,
            Self::Map(view) => view.span,
            Self::Endpoint(_, span, _) => *span,
            Self::Pods(_) | Self::Audit(_) => DisplayWindow::default(),
        }
    }

    /// The columns of its table.
    pub fn columns(&self) -> &'static [SortColumn] {
        match self {
            Self::Overview(_) => &COLUMNS,
            Self::Pods(_) => &pods::COLUMNS,
            Self::Map(_) | Self::Audit(_) | Self::Endpoint(..) => &[],
        }
    }
}

impl Web {
    /// The live frame of a page, the same for all its viewers in this second.
    ///
    /// What a long window needs from disk is read before, for all viewers, and not on every call.
    pub async fn moment(&self, subject: &Topic) -> Result<Arc<LiveFrame>, StoreError> {
        let now_ms = clock::now_ms();
        let past = long_windows::read(&self.state, subject.span().window(), Depth::WindowBefore, now_ms).await?;
        if let Topic::Endpoint(id, span, _) = subject {
            self.look_at_chart(id, *span).await?;
        }
        let snapshot = |span: DisplayWindow| {
            self.snapshots.at(&span, now_ms, || Snapshot::take(&self.state, span.window(), past.as_deref(), now_ms))
        };
        let subject = &subject.shared(self.state.timeline.len());
        Ok(self.moments.at(subject, now_ms, || match subject {
            Topic::Overview(view) => Overview::of(&snapshot(view.window), view.window).moment(view),
            Topic::Pods(view) => PodsTable::of(&snapshot(DisplayWindow::default()), view).moment(),
            Topic::Map(view) => Map::of(&snapshot(view.span), &self.called_by(now_ms), view).moment(),
            Topic::Endpoint(id, span, zone) => endpoint::moment(self, &snapshot(*span), id, zone),
            Topic::Audit(view) => self.audit(&snapshot(DisplayWindow::default()), view).moment(),
        }))
    }
}
