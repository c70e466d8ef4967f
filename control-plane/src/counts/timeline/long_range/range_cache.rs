//! A cache of long windows that were read from disk, so that not every page view reads the disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::counts::timeline::long_range::LongRange;
use crate::model::window::QueryWindow;
use crate::state::AppState;
use crate::store::StoreError;

/// The longest window that is in memory.
pub const IN_MEMORY: Duration = Duration::from_secs(3600);

/// The longest window that is in memory together with the window before it.
pub const COMPARED_IN_MEMORY: Duration = Duration::from_secs(1800);

/// How long a cached window is valid, at least; later counts come from memory.
const GOOD_FOR_MS: u64 = 10_000;

/// A cached window is valid for its length divided by this. Its start does not move meanwhile,
/// which is an error below a twentieth of a sparkline's step. A month need not be read every ten
/// seconds.
const GOOD_FOR_PARTS: u64 = 1440;

/// Windows in the cache. The pages offer five that are not in memory. API clients that ask for
/// other windows cause a read from time to time.
const WINDOWS_MAX: usize = 8;

/// The cache of windows that were read from disk.
#[derive(Debug, Default)]
pub struct RangeCache {
    windows: Mutex<HashMap<QueryWindow, Arc<LongRange>>>,
    /// Held by the one caller that reads from disk.
    reading: tokio::sync::Mutex<()>,
}

impl RangeCache {
    fn fresh(&self, window: QueryWindow, naming: u64, now_ms: u64) -> Option<Arc<LongRange>> {
        let past = self.any(window, naming)?;
        is_fresh(past.read_ms, length(window), now_ms).then_some(past)
    }

    /// Returns a cached window of any age, if endpoints still have the same names.
    fn any(&self, window: QueryWindow, naming: u64) -> Option<Arc<LongRange>> {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.get(&window).filter(|past| past.naming == naming).cloned()
    }

    fn keep(&self, window: QueryWindow, past: Arc<LongRange>) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.insert(window, past);
        if windows.len() > WINDOWS_MAX {
            let oldest = windows.iter().min_by_key(|(_, past)| past.read_ms).map(|(window, _)| *window);
            oldest.map(|oldest| windows.remove(&oldest));
        }
    }
}

/// Length of a window. All time has no length, and is never read from disk.
fn length(window: QueryWindow) -> Duration {
    match window {
        QueryWindow::All => Duration::ZERO,
        QueryWindow::Last(length) => length,
        QueryWindow::Between(range) => Duration::from_millis(range.length_ms()),
    }
}

/// Returns whether memory holds the whole window; `longest` also accounts for the window before, if
/// that is needed.
fn is_in_memory(window: QueryWindow, longest: Duration) -> bool {
    match window {
        QueryWindow::All => true,
        QueryWindow::Last(length) => length <= longest,
        QueryWindow::Between(_) => false,
    }
}

/// Returns whether a cached window is still valid.
pub fn is_fresh(read_ms: u64, window: Duration, now_ms: u64) -> bool {
    let good_for_ms = GOOD_FOR_MS.max(window.as_millis() as u64 / GOOD_FOR_PARTS);
    // After the clock was set back, the read time is in the future.
    (read_ms..read_ms + good_for_ms).contains(&now_ms)
}

impl AppState {
    /// Reads from disk what a snapshot of this window needs, if it needs anything.
    pub async fn look_back(self: &Arc<Self>, window: QueryWindow, now_ms: u64) -> Result<(), StoreError> {
        if is_in_memory(window, IN_MEMORY) { Ok(()) } else { self.read_unless_fresh(window, now_ms).await }
    }

    /// Like [`AppState::look_back`], and also reads what a comparison with the window before
    /// needs.
    pub async fn look_back_twice(self: &Arc<Self>, window: QueryWindow, now_ms: u64) -> Result<(), StoreError> {
        if is_in_memory(window, COMPARED_IN_MEMORY) { Ok(()) } else { self.read_unless_fresh(window, now_ms).await }
    }

    async fn read_unless_fresh(self: &Arc<Self>, window: QueryWindow, now_ms: u64) -> Result<(), StoreError> {
        if self.at_hand.fresh(window, self.timeline.naming(), now_ms).is_some() {
            return Ok(());
        }
        let _one_at_a_time = match self.at_hand.reading.try_lock() {
            Ok(alone) => alone,
            // Another task reads it now; until then the previous read is used.
            Err(_) if !is_in_memory(window, IN_MEMORY) && self.at_hand.any(window, self.timeline.naming()).is_some() => {
                return Ok(());
            }
            Err(_) => self.at_hand.reading.lock().await,
        };
        if self.at_hand.fresh(window, self.timeline.naming(), now_ms).is_some() {
            return Ok(());
        }
        let plane = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || plane.read_past(window, now_ms).map(drop));
        reading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// Returns what is on disk of a window, if the window is longer than memory, or if
    /// [`AppState::look_back_twice`] has just read it.
    pub(crate) fn past(&self, window: QueryWindow, now_ms: u64) -> Option<Arc<LongRange>> {
        if window == QueryWindow::All {
            return None;
        }
        if is_in_memory(window, IN_MEMORY) {
            return self.at_hand.fresh(window, self.timeline.naming(), now_ms);
        }
        // A caller that has just read the window finds it in the cache; there are no other callers.
        self.at_hand
            .any(window, self.timeline.naming())
            .or_else(|| self.read_past(window, now_ms).ok())
            .or_else(|| Some(Arc::default()))
    }

    fn read_past(&self, window: QueryWindow, now_ms: u64) -> Result<Arc<LongRange>, StoreError> {
        let chronicle = self.keeper.chronicle.as_ref();
        let past = match window {
            QueryWindow::Between(range) => LongRange::read_range(chronicle, &self.timeline, range, now_ms)?,
            _ => LongRange::read(chronicle, &self.timeline, length(window).as_millis() as u64, now_ms)?,
        };
        let past = Arc::new(past);
        self.at_hand.keep(window, Arc::clone(&past));
        Ok(past)
    }
}
