//! What users request from one sidecar: the history of an endpoint, or exchanges as they happen.

use std::sync::Arc;

use mesh::workload::Workload;
use proto::convert::InvalidMessage;
use proto::wire;
use proto::wire::down;

use crate::grpc::pages::HistoryFetches;
use crate::grpc::taps::StreamTaps;
use crate::history::FetchRequest;
use crate::tap;
use crate::tap::open::OpenTap;

/// The user requests that concern one stream.
pub(super) struct Wishes {
    pages: HistoryFetches,
    taps: StreamTaps,
}

impl Wishes {
    /// No requests yet, for this pod.
    pub(super) fn of(pod: &Arc<Workload>) -> Self {
        Self { pages: HistoryFetches::default(), taps: StreamTaps::of(Arc::clone(pod)) }
    }

    /// The message that a history query sends to the sidecar.
    pub(super) fn ask(&mut self, ask: FetchRequest) -> Option<down::Message> {
        self.pages.ask(ask).map(down::Message::Fetch)
    }

    /// The message to send to the sidecar when these taps are open.
    pub(super) fn tap(&mut self, open: &[Arc<OpenTap>]) -> Option<down::Message> {
        self.taps.change(open).map(down::Message::Taps)
    }

    /// Handles a page of a history.
    pub(super) fn take_page(&mut self, page: wire::Page) -> Result<(), InvalidMessage> {
        self.pages.take(page)
    }

    /// Handles tapped exchanges.
    pub(super) fn take_tapped(&self, tapped: wire::Tapped, now_s: u64, taps: &tap::OpenTaps) -> Result<(), InvalidMessage> {
        self.taps.take(tapped, now_s, taps)
    }
}
