//! What people want to see of one sidecar: the history of an endpoint, or exchanges as they happen.

use std::sync::Arc;

use mesh::workload::Workload;
use proto::convert::Refused;
use proto::wire::{self, down};

use crate::history::Ask;
use crate::ingest::pages::Pages;
use crate::ingest::taps::Taps;
use crate::tap;
use crate::tap::open::OpenTap;

/// The wishes that concern one stream.
pub(super) struct Wishes {
    pages: Pages,
    taps: Taps,
}

impl Wishes {
    /// Those that concern this pod: none yet.
    pub(super) fn of(pod: &Arc<Workload>) -> Self {
        Self { pages: Pages::default(), taps: Taps::of(Arc::clone(pod)) }
    }

    /// What the sidecar has to be told of a question.
    pub(super) fn ask(&mut self, ask: Ask) -> Option<down::Message> {
        self.pages.ask(ask).map(down::Message::Fetch)
    }

    /// What the sidecar has to be told when these taps are open.
    pub(super) fn tap(&mut self, open: &[Arc<OpenTap>]) -> Option<down::Message> {
        self.taps.change(open).map(down::Message::Taps)
    }

    /// A page has come.
    pub(super) fn take_page(&mut self, page: wire::Page) -> Result<(), Refused> {
        self.pages.take(page)
    }

    /// Taps have seen something.
    pub(super) fn take_tapped(&self, tapped: wire::Tapped, now_s: u64, taps: &tap::Taps) -> Result<(), Refused> {
        self.taps.take(tapped, now_s, taps)
    }
}
