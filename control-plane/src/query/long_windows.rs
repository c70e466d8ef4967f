//! Reads what a window needs from disk, where memory does not reach back so far.

use std::sync::Arc;

use crate::counts::timeline::long_range::LongRange;
use crate::counts::timeline::long_range::range_cache::{COMPARED_IN_MEMORY, IN_MEMORY, is_in_memory, length};
use crate::model::window::QueryWindow;
use crate::state::AppState;
use crate::store::StoreError;

/// How far back a reader looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The window.
    Window,
    /// The window, and the one before it to compare with.
    WindowBefore,
}

/// The counts of `window` that are on disk only; `None` if memory holds all of them.
///
/// Many readers share one read: a result is reused while it is fresh, and while one reader reads it again.
pub async fn read(
    state: &Arc<AppState>,
    window: QueryWindow,
    depth: Depth,
    now_ms: u64,
) -> Result<Option<Arc<LongRange>>, StoreError> {
    let longest = match depth {
        Depth::Window => IN_MEMORY,
        Depth::WindowBefore => COMPARED_IN_MEMORY,
    };
    if is_in_memory(window, longest) {
        return Ok(None);
    }
    let fresh = || state.range_cache.fresh(window, state.timeline.naming_revision(), now_ms);
    if let Some(long_range) = fresh() {
        return Ok(Some(long_range));
    }
    let _one_at_a_time = if let Ok(guard) = state.range_cache.reading.try_lock() {
        guard
    } else if let Some(stale) = state.range_cache.any(window, state.timeline.naming_revision()) {
        return Ok(Some(stale));
    } else {
        state.range_cache.reading.lock().await
    };
    if let Some(long_range) = fresh() {
        return Ok(Some(long_range));
    }
    let state = Arc::clone(state);
    let reading = tokio::task::spawn_blocking(move || read_from_disk(&state, window, now_ms));
    reading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map(Some)
}

fn read_from_disk(state: &AppState, window: QueryWindow, now_ms: u64) -> Result<Arc<LongRange>, StoreError> {
    let metrics = state.window_queue.metrics_store.as_ref();
    let long_range = match window {
        QueryWindow::Between(range) => LongRange::read_range(metrics, &state.timeline, range, now_ms)?,
        _ => LongRange::read(metrics, &state.timeline, length(window).as_millis() as u64, now_ms)?,
    };
    let long_range = Arc::new(long_range);
    state.range_cache.insert(window, Arc::clone(&long_range));
    Ok(long_range)
}
