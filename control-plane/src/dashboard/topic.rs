//! The topic of an event stream: a page, and the query parameters that decide what it shows.

use crate::dashboard::audit::choice::AuditView;
use crate::dashboard::map::choice::MapView;
use crate::dashboard::order::{SortColumn, SortOrder};
use crate::dashboard::overview::columns::COLUMNS;
use crate::dashboard::pods::view::{self, PodsView};
use crate::dashboard::query::{DisplayWindow, OverviewQuery, ViewQuery};
use crate::dashboard::zone::Zone;

/// Endpoints up to which every row of the overview is sent to every client, so that a filter needs no request. Above
/// it, the server filters and sends only the rows on the screen: each row is some kilobytes, and some bytes every second.
pub const ALL_ROWS_MAX: usize = 1000;

/// A live page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Every endpoint; on a large mesh, those that pass the filter.
    Overview(OverviewQuery),
    /// The pods.
    Pods(PodsView),
    /// The map of which service calls which.
    Map(MapView),
    /// The notices; times are shown in the reader's zone.
    Notices(Zone),
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
            "notices" => (Self::Notices(zone), SortOrder::default()),
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
    #[must_use]
    pub fn shared(&self, endpoints: usize) -> Self {
        match self {
            Self::Overview(view) if endpoints <= ALL_ROWS_MAX => {
                Self::Overview(OverviewQuery { window: view.window, ..OverviewQuery::default() })
            }
            other => other.clone(),
        }
    }

    /// The window that it shows.
    pub fn span(&self) -> DisplayWindow {
        match self {
            Self::Overview(view) => view.window,
            Self::Map(view) => view.span,
            Self::Endpoint(_, span, _) => *span,
            Self::Pods(_) | Self::Notices(_) | Self::Audit(_) => DisplayWindow::default(),
        }
    }

    /// The columns of its table.
    pub fn columns(&self) -> &'static [SortColumn] {
        match self {
            Self::Overview(_) => &COLUMNS,
            Self::Pods(_) => &view::COLUMNS,
            Self::Map(_) | Self::Notices(_) | Self::Audit(_) | Self::Endpoint(..) => &[],
        }
    }
}
