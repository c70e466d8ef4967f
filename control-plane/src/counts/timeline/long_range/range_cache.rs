//! A cache of long windows that were read from disk, so that not every page view reads the disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::counts::timeline::long_range::LongRange;
use crate::model::window::QueryWindow;

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
///
/// It is not a `moka` cache: while one reader refreshes an entry, the others get the old one instead of waiting for the
/// disk, and the time for which an entry is valid depends on its window and on the caller's clock.
#[derive(Debug, Default)]
pub struct RangeCache {
    windows: Mutex<HashMap<QueryWindow, Arc<LongRange>>>,
    /// Held by the one caller that reads from disk.
    pub reading: tokio::sync::Mutex<()>,
}

impl RangeCache {
    /// What was read of a window by the names that are in use, if it is still good.
    pub fn fresh(&self, window: QueryWindow, naming_revision: u64, now_ms: u64) -> Option<Arc<LongRange>> {
        let past = self.any(window, naming_revision)?;
        is_fresh(past.read_ms, length(window), now_ms).then_some(past)
    }

    /// Returns a cached window of any age, if endpoints still have the same names.
    pub fn any(&self, window: QueryWindow, naming_revision: u64) -> Option<Arc<LongRange>> {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.get(&window).filter(|past| past.naming_revision == naming_revision).cloned()
    }

    /// Keeps what was read, in place of the oldest if there are too many.
    pub fn insert(&self, window: QueryWindow, past: Arc<LongRange>) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.insert(window, past);
        if windows.len() > WINDOWS_MAX {
            let oldest = windows.iter().min_by_key(|(_, past)| past.read_ms).map(|(window, _)| *window);
            oldest.map(|oldest| windows.remove(&oldest));
        }
    }
}

/// Length of a window. All time has no length, and is never read from disk.
pub fn length(window: QueryWindow) -> Duration {
    match window {
        QueryWindow::All => Duration::ZERO,
        QueryWindow::Last(length) => length,
        QueryWindow::Between(range) => Duration::from_millis(range.length_ms()),
    }
}

/// Returns whether memory holds the whole window; `longest` also accounts for the window before, if
/// that is needed.
pub fn is_in_memory(window: QueryWindow, longest: Duration) -> bool {
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
