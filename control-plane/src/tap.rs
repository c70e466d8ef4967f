//! The taps that are open: what each wants to see, which sidecars see it, and the way to its reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mesh::tap::Filter;
use proto::convert::taps::TAPS_MAX;
use tokio::sync::{mpsc, watch};

use crate::ingest::counts::Count;
use crate::tap::open::{Event, OpenTap};

pub mod open;

/// Events on their way to one reader: what a terminal scrolls through in a few seconds.
const EVENTS_MAX: usize = 512;

/// All taps.
#[derive(Debug)]
pub struct Taps {
    open: watch::Sender<Arc<Vec<Arc<OpenTap>>>>,
    ids: AtomicU64,
    /// Readers that were turned away because there were too many.
    pub turned_away: Count,
    /// Exchanges that no tap had asked the sidecar for.
    pub unasked: Count,
}

/// Which sidecars are to see a tap. What is not named is not asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of this service.
    pub service: Option<String>,
    /// Only this pod, by its name.
    pub pod: Option<String>,
}

/// A reader's end. Dropping it ends the tap, on all sidecars.
#[derive(Debug)]
pub struct Reader {
    taps: Arc<Taps>,
    /// The tap.
    pub tap: Arc<OpenTap>,
    /// What happens on it; ends if the reader was taken for gone.
    pub events: mpsc::Receiver<Event>,
}

/// There are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{TAPS_MAX} taps are open, which is the limit: end one, or try again in a moment")]
pub struct TooMany;

impl Default for Taps {
    fn default() -> Self {
        Self {
            open: watch::Sender::new(Arc::default()),
            ids: AtomicU64::new(1),
            turned_away: Count::default(),
            unasked: Count::default(),
        }
    }
}

impl Taps {
    /// Opens a tap, if there is room.
    pub fn open(self: &Arc<Self>, scope: Scope, filter: Filter, per_second_max: u32) -> Result<Reader, TooMany> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let tap = OpenTap::new(scope, filter, per_second_max, sender);
        let mut wanted = Some(tap);
        let mut opened = None;
        self.open.send_if_modified(|open| {
            let Some(tap) = wanted.take().filter(|_| open.len() < TAPS_MAX) else { return false };
            // Numbered within the lock, so that whoever sees a tap has seen all that have a lower number.
            let tap = Arc::new(tap.numbered(self.ids.fetch_add(1, Relaxed)));
            *open = Arc::new(open.iter().chain([&tap]).cloned().collect());
            opened = Some(tap);
            true
        });
        let Some(tap) = opened else {
            self.turned_away.up();
            return Err(TooMany);
        };
        Ok(Reader { taps: Arc::clone(self), tap, events })
    }

    /// The taps that are open now, and a way to hear of changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Vec<Arc<OpenTap>>>> {
        self.open.subscribe()
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.borrow().len()
    }

    /// Ends a tap; the sidecars are told.
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

impl Drop for Reader {
    fn drop(&mut self) {
        self.taps.end(self.tap.id);
    }
}

#[cfg(test)]
mod tests;
