//! The open taps: what each one shows, which sidecars it covers, and the channel to its reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mesh::tap::Filter;
use proto::convert::taps::TAPS_MAX;
use tokio::sync::{mpsc, watch};

use crate::model::stream_counts::Count;
use crate::tap::open::{OpenTap, TapEvent};
use crate::tap::scope::TapScope;

pub mod open;
pub mod scope;

/// Events queued for one reader: what a terminal scrolls through in a few seconds.
const EVENTS_MAX: usize = 512;

/// All open taps.
#[derive(Debug)]
pub struct OpenTaps {
    open: watch::Sender<Arc<Vec<Arc<OpenTap>>>>,
    ids: AtomicU64,
    /// Readers that were refused because there were too many.
    pub refused: Count,
    /// Exchanges that a sidecar sent although no tap had requested them.
    pub unasked: Count,
}

/// The reader's end of a tap. Dropping it ends the tap on all sidecars.
#[derive(Debug)]
pub struct TapReader {
    taps: Arc<OpenTaps>,
    /// The tap.
    pub tap: Arc<OpenTap>,
    /// The events of the tap; ends if the reader stalled for too long.
    pub events: mpsc::Receiver<TapEvent>,
}

/// Too many taps are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{TAPS_MAX} taps are open, which is the limit: end one, or try again in a moment")]
pub struct TooMany;

impl Default for OpenTaps {
    fn default() -> Self {
        Self {
            open: watch::Sender::new(Arc::default()),
            ids: AtomicU64::new(1),
            refused: Count::default(),
            unasked: Count::default(),
        }
    }
}

impl OpenTaps {
    /// Opens a tap, unless the limit is reached.
    pub fn open(self: &Arc<Self>, scope: TapScope, filter: Filter, per_second_max: u32) -> Result<TapReader, TooMany> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let tap = OpenTap::new(scope, filter, per_second_max, sender);
        let mut wanted = Some(tap);
        let mut opened = None;
        self.open.send_if_modified(|open| {
            let Some(tap) = wanted.take().filter(|_| open.len() < TAPS_MAX) else { return false };
            // Numbered under the lock: an observer that sees a tap has seen all taps with a lower
            // number.
            let tap = Arc::new(tap.with_id(self.ids.fetch_add(1, Relaxed)));
            *open = Arc::new(open.iter().chain([&tap]).cloned().collect());
            opened = Some(tap);
            true
        });
        let Some(tap) = opened else {
            self.refused.up();
            return Err(TooMany);
        };
        Ok(TapReader { taps: Arc::clone(self), tap, events })
    }

    /// Returns the open taps, and a receiver for changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Vec<Arc<OpenTap>>>> {
        self.open.subscribe()
    }

    /// Number of open taps.
    pub fn count(&self) -> usize {
        self.open.borrow().len()
    }

    /// Ends a tap; the sidecars are notified.
    pub fn end(&self, id: u64) {
        self.open.send_if_modified(|open| {
            let rest: Vec<_> = open.iter().filter(|tap| tap.id != id).cloned().collect();
            let is_another = rest.len() != open.len();
            if is_another {
                *open = Arc::new(rest);
            }
            is_another
        });
    }
}

impl Drop for TapReader {
    fn drop(&mut self) {
        self.taps.end(self.tap.id);
    }
}

#[cfg(test)]
mod tests;
