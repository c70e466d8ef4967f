//! A window on its way to the disk.

use std::sync::Arc;

use mesh::golden::GoldenMetrics;
use mesh::report::Seen;
use tokio::sync::watch;

use crate::keeper::account::Account;
use crate::store::chronicle::Process;
use crate::timeline::series::Series;

/// What one pod counted in `[id, id + span)` times ten seconds.
#[derive(Debug)]
pub struct Submission {
    /// Who counted.
    pub process: Arc<Process>,
    /// The first slot.
    pub id: u64,
    /// How many slots.
    pub span: u64,
    /// What was counted.
    pub rows: Vec<Counted>,
    /// What it takes in memory.
    pub bytes: usize,
    /// What is on disk of its process.
    pub account: Arc<Account>,
    /// Where the new mark is told.
    pub acks: Arc<watch::Sender<u64>>,
}

/// What was counted of one endpoint.
#[derive(Debug)]
pub struct Counted {
    /// Which.
    pub series: Arc<Series>,
    /// When it was asked, if the pod has told.
    pub seen: Option<Seen>,
    /// All of it.
    pub golden: GoldenMetrics,
}

impl Submission {
    /// The last slot.
    pub fn end(&self) -> u64 {
        self.id + self.span - 1
    }

    /// Hits of all endpoints.
    pub fn hits(&self) -> u64 {
        self.rows.iter().fold(0, |sum, row| sum.saturating_add(row.golden.hits))
    }
}

impl Counted {
    /// Bytes that it takes in memory, about.
    pub fn bytes(&self) -> usize {
        let mut buckets = self.golden.latency.buckets();
        let first = buckets.next().map_or(0, |(index, _)| index);
        let last = buckets.last().map_or(first, |(index, _)| index);
        size_of::<Self>() + self.golden.statuses().len() * 16 + (last - first + 1) as usize * 8
    }
}
