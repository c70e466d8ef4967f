//! What the control plane knows, in one place, shared by the stream, the API and the pages.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;
use crate::history::Histories;
use crate::ingest::counts::StreamCounts;
use crate::rules::Rules;
use crate::snapshot::{PodRow, Snapshot, Window, take};
use crate::tap::Taps;
use crate::timeline::Timeline;

/// The control plane's memory.
#[derive(Debug)]
pub struct ControlPlane {
    /// Every pod heard from.
    pub fleet: Arc<Fleet>,
    /// What they counted.
    pub timeline: Timeline,
    /// What they should obey, and what was commanded.
    pub rules: Rules,
    /// The way to what the pods remember.
    pub histories: Histories,
    /// What people watch as it happens.
    pub taps: Arc<Taps>,
    /// What happened on the streams.
    pub stream_counts: StreamCounts,
    /// Where sidecars attach.
    pub stream_address: SocketAddr,
    /// Cancelled when the control plane is leaving: whatever is open for long, such as an event stream, ends then.
    pub drain: CancellationToken,
}

impl ControlPlane {
    /// Everything that a page shows, taken at this instant.
    pub fn snapshot(&self, window: Window, now_ms: u64) -> Snapshot {
        Snapshot::take(self, window, now_ms)
    }

    /// Every pod, by name.
    pub fn pods(&self, now_ms: u64) -> Vec<PodRow> {
        take::pods(self, now_ms)
    }
}
