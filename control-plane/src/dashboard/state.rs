//! The state that all dashboard handlers share: snapshots, rule commands, and the caches of live pages.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::dashboard::chart::long::LongCharts;
use crate::dashboard::live_frame::{LiveFrame, PerSecondCache};
use crate::dashboard::page::{OPERATOR, PageError};
use crate::dashboard::query::DisplayWindow;
use crate::dashboard::topic::Topic;
use crate::model::rule_status::RuleStatus;
use crate::query::callers::CalledBy;
use crate::query::long_windows::{self, Depth};
use crate::query::snapshot::Snapshot;
use crate::rules::command::{Command, CommandError};
use crate::state::AppState;

/// Maximum number of open streams. Each is a visible browser tab; a hidden tab closes its own.
pub const STREAMS_MAX: usize = 512;

/// The application state, and what all viewers of the pages share.
pub struct DashboardState {
    /// The state of the control plane.
    pub app: Arc<AppState>,
    /// The snapshots of this second, by window.
    pub snapshots: PerSecondCache<DisplayWindow, Snapshot>,
    /// The live frames of this second, by topic.
    pub frames: PerSecondCache<Topic, LiveFrame>,
    /// Charts of windows longer than memory.
    pub charts: LongCharts,
    streams: Arc<Semaphore>,
}

impl DashboardState {
    /// The state before the first request.
    pub fn new(app: Arc<AppState>) -> Self {
        Self {
            app,
            snapshots: PerSecondCache::default(),
            frames: PerSecondCache::default(),
            charts: LongCharts::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }

    /// A snapshot of the mesh over the default window.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.app, DisplayWindow::default().window(), None, clock::now_ms())
    }

    /// A snapshot of the mesh over a window that may reach further back than memory.
    pub async fn snapshot_over(&self, span: DisplayWindow) -> Result<Snapshot, Box<PageError>> {
        let now_ms = clock::now_ms();
        match long_windows::read(&self.app, span.window(), Depth::WindowBefore, now_ms).await {
            Ok(past) => Ok(Snapshot::take(&self.app, span.window(), past.as_deref(), now_ms)),
            Err(error) => Err(PageError::unreadable(&error, span)),
        }
    }

    /// A snapshot with the row of one endpoint only.
    pub fn snapshot_of_endpoint(&self, id: &str) -> Snapshot {
        Snapshot::take_of(&self.app, DisplayWindow::default().window(), None, clock::now_ms(), |series| series.id == id)
    }

    /// The callers of each endpoint, by endpoint id.
    pub fn callers_by_endpoint(&self, now_ms: u64) -> HashMap<String, CalledBy> {
        CalledBy::from_all(&self.app.fleet, &self.app.timeline, now_ms)
    }

    /// The callers of several endpoints of one service, added up.
    pub fn callers_of_endpoints(&self, ids: &[&str], now_ms: u64) -> CalledBy {
        let ids: HashSet<&str> = ids.iter().copied().collect();
        let mut series = self.app.timeline.all();
        series.retain(|series| ids.contains(series.id.as_str()));
        CalledBy::from_several(&self.app.fleet, &series, now_ms)
    }

    /// The status of a rule.
    pub fn rule(&self, id: &str) -> Option<RuleStatus> {
        self.app.rules.status(id)
    }

    /// Creates the rule of a command.
    pub async fn create_rule(&self, command: Command) -> Result<Arc<RuleStatus>, CommandError> {
        self.app.rules.create(command, OPERATOR).await
    }

    /// Withdraws a rule.
    pub async fn withdraw_rule(&self, id: &str) -> Result<Arc<RuleStatus>, CommandError> {
        self.app.rules.withdraw(id, OPERATOR).await
    }

    /// The token that ends all streams when the control plane drains.
    pub fn drain(&self) -> CancellationToken {
        self.app.drain.clone()
    }

    /// A permit for one more event stream; `None` if too many are open.
    pub fn stream_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
    }
}
