//! What a dashboard handler works with: the reader of its request, and the caches that all readers share.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::counts::timeline::long_range::LongRange;
use crate::dashboard::chart::long::LongCharts;
use crate::dashboard::live_frame::{LiveFrame, PerSecondCache};
use crate::dashboard::page::PageError;
use crate::dashboard::query::DisplayWindow;
use crate::dashboard::topic::Topic;
use crate::model::principal::Namespaces;
use crate::query::callers::CalledBy;
use crate::query::long_windows::Depth;
use crate::query::reader::{Reader, Unchecked};
use crate::query::snapshot::Snapshot;
use crate::state::AppState;

/// Maximum number of open streams. Each is a visible browser tab; a hidden tab closes its own.
pub const STREAMS_MAX: usize = 512;

/// One reader's view of the mesh. Cheap to clone.
#[derive(Clone)]
pub struct DashboardState {
    /// What the reader may see and command.
    pub reader: Reader,
    /// Charts of windows longer than memory.
    pub charts: Arc<LongCharts>,
    shared: Arc<SharedPages>,
}

/// What all readers of the pages share.
pub struct SharedPages {
    app: Arc<AppState>,
    /// The snapshots of this second, by what they cover.
    snapshots: PerSecondCache<(Namespaces, DisplayWindow), Snapshot>,
    /// The live frames of this second. Readers share a frame only if they see the same namespaces.
    frames: PerSecondCache<(Namespaces, Topic), LiveFrame>,
    charts: Arc<LongCharts>,
    streams: Arc<Semaphore>,
}

impl SharedPages {
    /// Before the first request.
    pub fn new(app: Arc<AppState>) -> Self {
        Self {
            app,
            snapshots: PerSecondCache::default(),
            frames: PerSecondCache::default(),
            charts: Arc::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }
}

impl DashboardState {
    /// A snapshot of the mesh over the default window.
    pub fn snapshot(&self) -> Snapshot {
        self.reader.snapshot(DisplayWindow::default().window(), None, clock::now_ms())
    }

    /// A snapshot of the mesh over a window that may reach further back than memory.
    pub async fn snapshot_over(&self, span: DisplayWindow) -> Result<Snapshot, Box<PageError>> {
        let now_ms = clock::now_ms();
        match self.reader.past(span.window(), Depth::WindowBefore, now_ms).await {
            Ok(past) => Ok(self.reader.snapshot(span.window(), past.as_deref(), now_ms)),
            Err(error) => Err(PageError::unreadable(&error, span)),
        }
    }

    /// The snapshot of this second, the same for all readers of these namespaces.
    pub fn shared_snapshot(&self, span: DisplayWindow, past: Option<&LongRange>, now_ms: u64) -> Arc<Snapshot> {
        let key = (self.reader.namespaces().clone(), span);
        self.shared.snapshots.at(&key, now_ms, || self.reader.snapshot(span.window(), past, now_ms))
    }

    /// The live frame of this second, the same for all readers of these namespaces; calls `make` if there is none yet.
    pub fn shared_frame(&self, topic: Topic, now_ms: u64, make: impl FnOnce(&Topic) -> LiveFrame) -> Arc<LiveFrame> {
        let key = (self.reader.namespaces().clone(), topic);
        self.shared.frames.at(&key, now_ms, || make(&key.1))
    }

    /// A snapshot with the row of one endpoint only.
    pub fn snapshot_of_endpoint(&self, id: &str) -> Snapshot {
        self.reader.snapshot_of_endpoint(id, DisplayWindow::default().window(), clock::now_ms())
    }

    /// The callers of several endpoints of one service, added up.
    pub fn callers_of_endpoints(&self, ids: &[&str], now_ms: u64) -> CalledBy {
        let ids: HashSet<&str> = ids.iter().copied().collect();
        let mut series = self.reader.series();
        series.retain(|series| ids.contains(&*series.id));
        self.reader.callers(&series, now_ms)
    }

    /// A permit for one more event stream; `None` if too many are open.
    pub fn stream_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.streams).try_acquire_owned().ok()
    }
}

impl FromRequestParts<Arc<SharedPages>> for DashboardState {
    type Rejection = Unchecked;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<SharedPages>) -> Result<Self, Unchecked> {
        let reader = Reader::from_parts(parts, &shared.app)?;
        Ok(Self { reader, charts: Arc::clone(&shared.charts), shared: Arc::clone(shared) })
    }
}
