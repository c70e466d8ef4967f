//! Long windows that were read a moment ago, so that not every look at a page reads the disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::plane::ControlPlane;
use crate::snapshot::Window;
use crate::store::StoreError;
use crate::timeline::past::Past;

/// What memory holds by itself.
const IN_MEMORY: Duration = Duration::from_secs(3600);

/// For how long what was read is good: what is counted meanwhile comes from memory.
const GOOD_FOR_MS: u64 = 10_000;

/// Windows kept at hand. Pages offer four; who asks the API for others reads them anew now and then.
const WINDOWS_MAX: usize = 8;

/// What was read lately.
#[derive(Debug, Default)]
pub struct AtHand {
    windows: Mutex<HashMap<Duration, Arc<Past>>>,
    /// One at a time reads, however many ask.
    reading: tokio::sync::Mutex<()>,
}

impl AtHand {
    fn fresh(&self, window: Duration, now_ms: u64) -> Option<Arc<Past>> {
        let past = self.any(window)?;
        // After the clock was set back, what was read is from the future.
        (past.read_ms..past.read_ms + GOOD_FOR_MS).contains(&now_ms).then_some(past)
    }

    fn any(&self, window: Duration) -> Option<Arc<Past>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).get(&window).cloned()
    }

    fn keep(&self, window: Duration, past: Arc<Past>) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.insert(window, past);
        if windows.len() > WINDOWS_MAX {
            let oldest = windows.iter().min_by_key(|(_, past)| past.read_ms).map(|(window, _)| *window);
            oldest.map(|oldest| windows.remove(&oldest));
        }
    }
}

impl ControlPlane {
    /// Reads what a snapshot of this window needs from disk, if it needs any.
    pub async fn look_back(self: &Arc<Self>, window: Window, now_ms: u64) -> Result<(), StoreError> {
        let Window::Last(window) = window else { return Ok(()) };
        if window <= IN_MEMORY || self.at_hand.fresh(window, now_ms).is_some() {
            return Ok(());
        }
        let _one_at_a_time = self.at_hand.reading.lock().await;
        if self.at_hand.fresh(window, now_ms).is_some() {
            return Ok(());
        }
        let plane = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || plane.read_past(window, now_ms).map(drop));
        reading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// What is on disk of a window, if it reaches back further than memory.
    pub(crate) fn past(&self, window: Window, now_ms: u64) -> Option<Arc<Past>> {
        let Window::Last(window) = window else { return None };
        if window <= IN_MEMORY {
            return None;
        }
        // Whoever has looked back just now finds it here; nobody else asks.
        self.at_hand.any(window).or_else(|| self.read_past(window, now_ms).ok()).or_else(|| Some(Arc::default()))
    }

    fn read_past(&self, window: Duration, now_ms: u64) -> Result<Arc<Past>, StoreError> {
        let window_ms = window.as_millis() as u64;
        let past = Arc::new(Past::read(self.keeper.chronicle.as_ref(), &self.timeline, window_ms, now_ms)?);
        self.at_hand.keep(window, Arc::clone(&past));
        Ok(past)
    }
}
