//! The dashboard's HTTP routes: server-rendered pages that need no JavaScript, and the event streams that update them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::dashboard::chart::long::LongCharts;
use crate::dashboard::events::STREAMS_MAX;
use crate::dashboard::live_frame::{LiveFrame, PerSecondCache};
use crate::dashboard::page::{BY, PageError};
use crate::dashboard::query::DisplayWindow;
use crate::dashboard::topic::Topic;
use crate::model::rule_status::RuleStatus;
use crate::query::callers::CalledBy;
use crate::query::long_windows::{self, Depth};
use crate::query::snapshot::Snapshot;
use crate::rules::command::{Command, CommandError};
use crate::state::AppState;

pub mod assets;
pub mod attention;
pub mod audit;
pub mod chart;
pub mod comparison;
pub mod csv;
pub mod curl;
pub mod endpoint;
pub mod escape;
pub mod events;
pub mod fault;

pub mod frame;
pub mod heading;
pub mod health;
pub mod history;
pub mod impact;
pub mod live_frame;
pub mod live_values;
pub mod map;
pub mod onboarding;
pub mod order;
pub mod overview;
pub mod page;
pub mod patch;
pub mod pin;
pub mod pods;
pub mod progress;
pub mod query;
pub mod range;
pub mod request;
pub mod root;
pub mod row;
pub mod shared;
pub mod spark;
pub mod stream;
pub mod switch;
pub mod tap;
pub mod tiles;
pub mod toggle;
pub mod topic;
pub mod zone;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

/// The routes of the dashboard's pages, event streams and assets.
pub fn pages(state: Arc<AppState>) -> Router {
    let web = Web {
        state,
        snapshots: PerSecondCache::default(),
        moments: PerSecondCache::default(),
        charts: LongCharts::default(),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
    };
    Router::new()
        .route("/", get(overview::overview))
        .route("/endpoints/{id}", get(endpoint::endpoint))
        .route("/endpoints/{id}/requests", get(endpoint::requests))
        .route("/endpoints/{id}/csv/{table}", get(endpoint::files::table))
        .route("/endpoints/{id}/impact", get(impact::impact))
        .route("/endpoints/{id}/off", post(toggle::off))
        .route("/endpoints/{id}/on", post(toggle::on))
        .route("/endpoints/{id}/pin", get(pin::preview).post(pin::pin))
        .route("/pins/{rule}/unpin", post(pin::unpin))
        .route("/tap", get(tap::tap))
        .route("/tap/events", get(tap::events))
        .route("/endpoints.csv", get(overview::file::csv))
        .route("/rules/{id}/progress", get(toggle::progress))
        .route("/rules/{id}/end", post(audit::end))
        .route("/pods", get(pods::pods))
        .route("/pods.csv", get(pods::csv))
        .route("/map", get(map::map))
        .route("/map.csv", get(map::file::csv))
        .route("/audit", get(audit::audit))
        .route("/audit.csv", get(audit::csv))
        .route("/events", get(events::events))
        .route("/events/shared", get(shared::events))
        .route("/static/{version}/{file}", get(assets::versioned))
        .route("/static/{file}", get(assets::unversioned))
        .route(assets::ICON, get(assets::favicon))
        .fallback(nothing_here)
        .layer(middleware::from_fn(fault::explain))
        .layer(middleware::from_fn(page::finish))
        .with_state(Arc::new(web))
}

/// Whether this path is an HTML page, not data, a file or a stream.
pub fn is_page(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    matches!(*segments, ["" | "pods" | "map" | "audit" | "tap"] | ["endpoints", _] | ["endpoints", _, "pin"])
}

/// The state that all dashboard handlers share.
pub struct Web {
    state: Arc<AppState>,
    snapshots: PerSecondCache<DisplayWindow, Snapshot>,
    moments: PerSecondCache<Topic, LiveFrame>,
    charts: LongCharts,
    streams: Arc<Semaphore>,
}

impl Web {
    /// A snapshot of the mesh over the default window.
    fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.state, DisplayWindow::default().window(), None, clock::now_ms())
    }

    /// A snapshot of the mesh over a window that may reach further back than memory.
    async fn look(&self, span: DisplayWindow) -> Result<Snapshot, Box<PageError>> {
        let now_ms = clock::now_ms();
        match long_windows::read(&self.state, span.window(), Depth::WindowBefore, now_ms).await {
            Ok(past) => Ok(Snapshot::take(&self.state, span.window(), past.as_deref(), now_ms)),
            Err(error) => Err(PageError::unreadable(&error, span)),
        }
    }

    /// A snapshot with the row of one endpoint only.
    fn snapshot_of(&self, id: &str) -> Snapshot {
        Snapshot::take_of(&self.state, DisplayWindow::default().window(), None, clock::now_ms(), |series| series.id == id)
    }

    /// The callers of each endpoint, by endpoint id.
    fn called_by(&self, now_ms: u64) -> HashMap<String, CalledBy> {
        CalledBy::of_all(&self.state.fleet, &self.state.timeline, now_ms)
    }

    /// The callers of one endpoint.
    fn callers_of(&self, id: &str, now_ms: u64) -> CalledBy {
        self.callers_of_all(&[id], now_ms)
    }

    /// The callers of several endpoints of one service, added up.
    fn callers_of_all(&self, ids: &[&str], now_ms: u64) -> CalledBy {
        let ids: HashSet<&str> = ids.iter().copied().collect();
        let mut series = self.state.timeline.all();
        series.retain(|series| ids.contains(series.id.as_str()));
        CalledBy::of_several(&self.state.fleet, &series, now_ms)
    }

    fn rule(&self, id: &str) -> Option<RuleStatus> {
        self.state.rules.status(id)
    }

    async fn turn_off(&self, command: Command) -> Result<Arc<RuleStatus>, CommandError> {
        self.state.rules.create(command, BY).await
    }

    async fn turn_on(&self, id: &str) -> Result<Arc<RuleStatus>, CommandError> {
        self.state.rules.withdraw(id, BY).await
    }

    fn drain(&self) -> CancellationToken {
        self.state.drain.clone()
    }

    /// A permit for one more event stream; `None` if too many are open.
    fn stream_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
    }
}

async fn nothing_here(uri: Uri) -> Response {
    if uri.path().starts_with(assets::FOLDER) {
        return assets::no_such_file();
    }
    PageError::not_found("The address leads nowhere. Perhaps it was mistyped, or the page has moved.").into_response()
}
