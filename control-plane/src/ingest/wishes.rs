//! What people want to see of one sidecar: the history of an endpoint, or exchanges as they happen.

use std::sync::Arc;

use mesh::workload::Workload;
use proto::convert::Refused;
use proto::wire::{self, down};
use tokio::sync::watch;

use crate::history::Listening;
use crate::ingest::pages::Pages;
use crate::ingest::taps::Taps;
use crate::plane::ControlPlane;
use crate::tap;
use crate::tap::open::OpenTap;

/// The wishes that concern one stream.
pub(super) struct Wishes {
    asks: Listening,
    pages: Pages,
    open_taps: watch::Receiver<Arc<Vec<Arc<OpenTap>>>>,
    taps: Taps,
}

impl Wishes {
    /// Those that concern this pod, from now on.
    pub(super) fn of(pod: &Workload, plane: &ControlPlane) -> Self {
        let mut open_taps = plane.taps.watch();
        // Those that are open already concern it as well.
        open_taps.mark_changed();
        Self { asks: plane.histories.listen(pod.clone()), pages: Pages::default(), open_taps, taps: Taps::of(pod) }
    }

    /// What the sidecar has to be told next. Dropping this before it is done loses nothing.
    pub(super) async fn next(&mut self) -> down::Message {
        loop {
            let words = tokio::select! {
                Some(ask) = self.asks.next() => self.pages.ask(ask).map(down::Message::Fetch),
                Ok(()) = self.open_taps.changed() => self.look_at_taps().map(down::Message::Taps),
                else => std::future::pending().await,
            };
            if let Some(words) = words {
                return words;
            }
        }
    }

    /// A page has come.
    pub(super) fn take_page(&mut self, page: wire::Page) -> Result<(), Refused> {
        self.pages.take(page)
    }

    /// Taps have seen something.
    pub(super) fn take_tapped(&self, tapped: wire::Tapped, now_s: u64, taps: &tap::Taps) -> Result<(), Refused> {
        self.taps.take(tapped, now_s, taps)
    }

    fn look_at_taps(&mut self) -> Option<wire::Taps> {
        let open = Arc::clone(&self.open_taps.borrow_and_update());
        self.taps.change(&open)
    }
}
