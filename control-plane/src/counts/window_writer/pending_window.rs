//! A pending window: a window on its way to the disk.

use std::sync::Arc;

use tokio::sync::watch;

use crate::counts::window_writer::durable_counts::DurableCounts;
use crate::counts::window_writer::pending_row::PendingRow;
use crate::store::metrics_store::Process;

/// What one pod counted in a window. Its number and its length identify it and define the mark.
/// Where they disagree with our clock, it is counted elsewhere.
#[derive(Debug)]
pub struct PendingWindow {
    /// The process that counted.
    pub process: Arc<Process>,
    /// The first slot.
    pub id: u64,
    /// How many slots.
    pub span: u64,
    /// The slots in which it is counted.
    pub placed: TenSecondSlots,
    /// What was counted.
    pub rows: Vec<PendingRow>,
    /// Bytes of memory that it takes.
    pub bytes: usize,
    /// What is on disk of its process.
    pub durable_counts: Arc<DurableCounts>,
    /// Receives the new mark.
    pub acks: Arc<watch::Sender<u64>>,
}

/// Slots of ten seconds by our clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenSecondSlots {
    /// The first.
    pub first: u64,
    /// How many, at least one.
    pub span: u64,
}

impl TenSecondSlots {
    /// The last slot.
    pub fn last(self) -> u64 {
        self.first.saturating_add(self.span).saturating_sub(1)
    }
}

impl PendingWindow {
    /// The last slot.
    pub fn end(&self) -> u64 {
        self.id + self.span - 1
    }
}
