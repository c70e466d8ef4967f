//! The topic of an event stream: a page, and the query parameters that decide what it shows.

use std::sync::Arc;

use crate::clock;
use crate::store::StoreError;
use crate::web::Web;
use crate::web::audit::AuditView;
use crate::web::endpoint;
use crate::web::map::Map;
use crate::web::map::choice::MapView;
use crate::web::moment::Moment;
use crate::web::order::{Column, Order};
use crate::web::overview::chosen::ALL_ROWS_MAX;
use crate::web::overview::{self, Overview};
use crate::web::pods::{self, Pods, PodsView};
use crate::web::view::{Span, View, ViewQuery};
use crate::web::zone::Zone;

/// A live page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Every endpoint; on a large mesh, those that pass the filter.
    Overview(View),
    /// The pods.
    Pods(PodsView),
    /// The map of which service calls which.
    Map(MapView),
    /// The audit log.
    Audit(AuditView),
    /// One endpoint, by its id.
    Endpoint(String, Span, Zone),
}

impl Subject {
    /// The topic that a query names, and the order of its rows; times are shown in the reader's zone.
    pub fn of(query: ViewQuery, zone: Zone) -> (Self, Order) {
        match &*query.page {
            "pods" => {
                let view = PodsView::from(query);
                let order = view.order;
                (Self::Pods(view), order)
            }
            "map" => (Self::Map(MapView::from(query)), Order::default()),
            "audit" => (Self::Audit(AuditView::of(query, zone)), Order::default()),
            "endpoint" => (Self::Endpoint(query.id.clone(), View::from(query).window, zone), Order::default()),
            _ => {
                let view = View::from(query);
                let order = view.order;
                (Self::Overview(view), order)
            }
        }
    }

    /// The topic that is computed: with few endpoints, it is the same for every filter.
    fn shared(&self, endpoints: usize) -> Self {
        match self {
            Self::Overview(view) if endpoints <= ALL_ROWS_MAX => Self::Overview(View { window: view.window, ..View::default() }),
            other => other.clone(),
        }
    }

    /// The window that it shows.
    fn span(&self) -> Span {
        match self {
            Self::Overview(view) => view.window,
            Self::Map(view) => view.span,
            Self::Endpoint(_, span, _) => *span,
            Self::Pods(_) | Self::Audit(_) => Span::default(),
        }
    }

    /// The columns of its table.
    pub fn columns(&self) -> &'static [Column] {
        match self {
            Self::Overview(_) => &overview::COLUMNS,
            Self::Pods(_) => &pods::COLUMNS,
            Self::Map(_) | Self::Audit(_) | Self::Endpoint(..) => &[],
        }
    }
}

impl Web {
    /// The live frame of a page, the same for all its viewers in this second.
    ///
    /// What a long window needs from disk is read before, for all viewers, and not on every call.
    pub async fn moment(&self, subject: &Subject) -> Result<Arc<Moment>, StoreError> {
        let now_ms = clock::now_ms();
        self.state.look_back_twice(subject.span().window(), now_ms).await?;
        if let Subject::Endpoint(id, span, _) = subject {
            self.look_at_chart(id, *span).await?;
        }
        let snapshot = |span: Span| self.snapshots.at(&span, now_ms, || self.state.snapshot(span.window(), now_ms));
        let subject = &subject.shared(self.state.timeline.len());
        Ok(self.moments.at(subject, now_ms, || match subject {
            Subject::Overview(view) => Overview::of(&snapshot(view.window), view.window).moment(view),
            Subject::Pods(view) => Pods::of(&snapshot(Span::default()), view).moment(),
            Subject::Map(view) => Map::of(&snapshot(view.span), &self.called_by(now_ms), view).moment(),
            Subject::Endpoint(id, span, zone) => endpoint::moment(self, &snapshot(*span), id, zone),
            Subject::Audit(view) => self.audit(&snapshot(Span::default()), view).moment(),
        }))
    }
}
