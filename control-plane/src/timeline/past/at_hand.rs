//! Long windows that were read a moment ago, so that not every look at a page reads the disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::plane::ControlPlane;
use crate::snapshot::Window;
use crate::store::StoreError;
use crate::timeline::past::Past;

/// What memory holds by itself.
pub const IN_MEMORY: Duration = Duration::from_secs(3600);

/// The longest window of which memory holds the window before, too.
pub const COMPARED_IN_MEMORY: Duration = Duration::from_secs(1800);

/// For how long what was read is good, at least: what is counted meanwhile comes from memory.
const GOOD_FOR_MS: u64 = 10_000;

/// How many times longer a window is than what was read of it is good: meanwhile its beginning stands still, which
/// shows less than a twentieth of a sparkline's step, and a month need not be read every ten seconds.
const GOOD_FOR_PARTS: u64 = 1440;

/// Windows kept at hand. Pages offer five that memory does not hold; who asks the API for others reads them anew now and then.
const WINDOWS_MAX: usize = 8;

/// What was read lately.
#[derive(Debug, Default)]
pub struct AtHand {
    windows: Mutex<HashMap<Window, Arc<Past>>>,
    /// One at a time reads, however many ask.
    reading: tokio::sync::Mutex<()>,
}

impl AtHand {
    fn fresh(&self, window: Window, naming: u64, now_ms: u64) -> Option<Arc<Past>> {
        let past = self.any(window, naming)?;
        is_fresh(past.read_ms, length(window), now_ms).then_some(past)
    }

    /// What was read of a window by the names that are in use.
    fn any(&self, window: Window, naming: u64) -> Option<Arc<Past>> {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.get(&window).filter(|past| past.naming == naming).cloned()
    }

    fn keep(&self, window: Window, past: Arc<Past>) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.insert(window, past);
        if windows.len() > WINDOWS_MAX {
            let oldest = windows.iter().min_by_key(|(_, past)| past.read_ms).map(|(window, _)| *window);
            oldest.map(|oldest| windows.remove(&oldest));
        }
    }
}

/// How long a window is; all time has no length, and is never read from disk.
fn length(window: Window) -> Duration {
    match window {
        Window::All => Duration::ZERO,
        Window::Last(length) => length,
        Window::Between(range) => Duration::from_millis(range.length_ms()),
    }
}

/// Whether memory holds all of a window, and of the one before if that is asked for.
fn is_in_memory(window: Window, longest: Duration) -> bool {
    match window {
        Window::All => true,
        Window::Last(length) => length <= longest,
        Window::Between(_) => false,
    }
}

/// Whether what was read of a window is still good.
pub fn is_fresh(read_ms: u64, window: Duration, now_ms: u64) -> bool {
    let good_for_ms = GOOD_FOR_MS.max(window.as_millis() as u64 / GOOD_FOR_PARTS);
    // After the clock was set back, what was read is from the future.
    (read_ms..read_ms + good_for_ms).contains(&now_ms)
}

impl ControlPlane {
    /// Reads what a snapshot of this window needs from disk, if it needs any.
    pub async fn look_back(self: &Arc<Self>, window: Window, now_ms: u64) -> Result<(), StoreError> {
        if is_in_memory(window, IN_MEMORY) { Ok(()) } else { self.read_unless_fresh(window, now_ms).await }
    }

    /// The same, and also what it takes to compare the window with the one before it.
    pub async fn look_back_twice(self: &Arc<Self>, window: Window, now_ms: u64) -> Result<(), StoreError> {
        if is_in_memory(window, COMPARED_IN_MEMORY) { Ok(()) } else { self.read_unless_fresh(window, now_ms).await }
    }

    async fn read_unless_fresh(self: &Arc<Self>, window: Window, now_ms: u64) -> Result<(), StoreError> {
        if self.at_hand.fresh(window, self.timeline.naming(), now_ms).is_some() {
            return Ok(());
        }
        let _one_at_a_time = match self.at_hand.reading.try_lock() {
            Ok(alone) => alone,
            // Somebody else reads it anew; what was read before serves everybody meanwhile.
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

    /// What is on disk of a window, if it reaches back further than memory, or if somebody has just looked back twice.
    pub(crate) fn past(&self, window: Window, now_ms: u64) -> Option<Arc<Past>> {
        if window == Window::All {
            return None;
        }
        if is_in_memory(window, IN_MEMORY) {
            return self.at_hand.fresh(window, self.timeline.naming(), now_ms);
        }
        // Whoever has looked back just now finds it here; nobody else asks.
        self.at_hand
            .any(window, self.timeline.naming())
            .or_else(|| self.read_past(window, now_ms).ok())
            .or_else(|| Some(Arc::default()))
    }

    fn read_past(&self, window: Window, now_ms: u64) -> Result<Arc<Past>, StoreError> {
        let chronicle = self.keeper.chronicle.as_ref();
        let past = match window {
            Window::Between(range) => Past::read_range(chronicle, &self.timeline, range, now_ms)?,
            _ => Past::read(chronicle, &self.timeline, length(window).as_millis() as u64, now_ms)?,
        };
        let past = Arc::new(past);
        self.at_hand.keep(window, Arc::clone(&past));
        Ok(past)
    }
}
