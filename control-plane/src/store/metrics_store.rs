//! The metrics store: the on-disk counts of the pods, with atomic appends and reads of one consistent state.

use std::collections::{BTreeMap, BTreeSet};

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::store::StoreError;
use crate::store::codec::Corrupt;
use crate::store::rollup::{Keep, Resolution};

/// Storage of what the pods counted. Calls may block, so call it only where blocking is allowed.
///
/// A mark identifies what is stored of a process, and [`MetricsStore::append`] is a compare-and-set on
/// marks.
pub trait MetricsStore: Send + Sync + std::fmt::Debug {
    /// Returns the marks of these processes: the last ten-second slot up to which everything is
    /// stored; 0 if nothing is.
    fn marks(&self, processes: &[Process]) -> Result<Vec<u64>, StoreError>;

    /// Returns marks that cover everything that any control plane has acknowledged. Only a store that replicas share has
    /// to ask for that.
    fn acknowledged_marks(&self, processes: &[Process]) -> Result<Vec<u64>, StoreError> {
        self.marks(processes)
    }

    /// Adds counts and moves the marks atomically and durably, or not at all.
    fn append(&self, append: &Append) -> Result<(), StoreError>;

    /// Deletes these series and their totals. Their slots expire later, and belong to no series
    /// until then.
    fn forget(&self, names: &[SeriesName]) -> Result<(), StoreError>;

    /// Calls `read_view` with a view of the current state.
    fn view(&self, read_view: &mut dyn FnMut(&dyn StoreView) -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// Returns the processes that were attached at the last write.
    fn attached(&self) -> Result<Vec<Process>, StoreError>;

    /// Returns the counters that `/metrics` exposed last.
    fn exposed(&self) -> Result<Vec<(SeriesName, GoldenMetrics)>, StoreError>;

    /// Records which processes are attached and what is exposed, atomically and durably, or not at
    /// all.
    fn record(&self, handover: &Handover) -> Result<(), StoreError>;

    /// Returns its size.
    fn size(&self) -> Result<StoreSize, StoreError>;

    /// Returns how long slots are kept.
    fn keeps(&self) -> Keep;
}

/// A process of a sidecar: the unit that numbers its windows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// The uid of its pod.
    pub pod_uid: String,
    /// When it started, nanoseconds since the Unix epoch.
    pub epoch: u64,
}

/// What the next control plane needs besides the counts, written in one transaction.
#[derive(Debug, Clone, Default)]
pub struct Handover {
    /// Processes that have attached.
    pub attached: Vec<Process>,
    /// Processes that have detached.
    pub detached: Vec<Process>,
    /// Counters that `/metrics` is about to expose.
    pub exposed: Vec<(SeriesName, GoldenMetrics)>,
    /// Counters that are no longer exposed.
    pub withdrawn: Vec<SeriesName>,
}

/// The full name of a series: an endpoint of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesName {
    /// The namespace of the service.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The endpoint.
    pub endpoint: Endpoint,
}

/// Sums of windows, and the new marks of their processes, written in one transaction.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// The counts.
    pub rows: Vec<AppendRow>,
    /// The processes that counted them.
    pub advances: Vec<Advance>,
    /// The machine's clock at the write, milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// The counts of one series.
#[derive(Debug, Clone)]
pub struct AppendRow {
    /// The series.
    pub name: SeriesName,
    /// Whether its path names a file.
    pub is_file: bool,
    /// Times of the first and last request that the pods report.
    pub seen: Option<Seen>,
    /// Counts by ten-second slot.
    pub slots: BTreeMap<u64, GoldenMetrics>,
}

/// A process's step from one mark to a later one; a mark is the last slot up to which everything is
/// on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The process.
    pub process: Process,
    /// The mark that the decision was based on; 0 if there was none.
    pub from: u64,
    /// The new mark.
    pub to: u64,
}

/// A stored series with its total.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSeries {
    /// The series.
    pub name: SeriesName,
    /// Whether its path names a file.
    pub is_file: bool,
    /// Times of the first and last request.
    pub seen: Option<Seen>,
    /// Its total.
    pub total: GoldenMetrics,
}

/// A slot of a series as stored on disk.
#[derive(Debug, Clone, Copy)]
pub struct StoredSlot<'a> {
    /// The number of its series.
    pub series: u32,
    /// Start of the slot, milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// The counts, encoded by [`crate::store::codec`].
    pub(super) bytes: &'a [u8],
}

impl StoredSlot<'_> {
    /// Decodes the slot and adds it to a sum.
    pub fn add_to(&self, sum: &mut GoldenMetrics) -> Result<(), Corrupt> {
        crate::store::codec::add(self.bytes, sum).and_then(crate::store::codec::whole)
    }
}

/// Selects slots of one length that begin in `[from_ms, to_ms)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotRange {
    /// Length of the slots.
    pub resolution: Resolution,
    /// Start, inclusive.
    pub from_ms: u64,
    /// End, exclusive.
    pub to_ms: u64,
}

/// A consistent view of the metrics store; later writes do not change it.
pub trait StoreView {
    /// Returns every series by its number.
    fn series(&self) -> Result<BTreeMap<u32, StoredSeries>, StoreError>;

    /// Calls `see` with slots, oldest first, of all series or only of these; stops at the first
    /// that cannot be decoded.
    fn each_slot(
        &self,
        range: SlotRange,
        only: Option<&BTreeSet<u32>>,
        see: &mut dyn FnMut(StoredSlot<'_>) -> Result<(), Corrupt>,
    ) -> Result<(), StoreError>;

    /// Start of the oldest slot of this length, milliseconds since the Unix epoch; `None` if there
    /// is none.
    fn oldest_ms(&self, resolution: Resolution) -> Result<Option<u64>, StoreError>;

    /// Start of the slot of this length from which on none is missing, milliseconds since the Unix
    /// epoch.
    fn whole_since_ms(&self, resolution: Resolution) -> Result<u64, StoreError>;

    /// When the store was created, milliseconds since the Unix epoch.
    fn since_ms(&self) -> Result<u64, StoreError>;
}

/// The size of the metrics store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreSize {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of the slots by length, finest first.
    pub slot_bytes: [u64; 3],
    /// Number of slots by length, finest first.
    pub slots: [u64; 3],
    /// Slots that were deleted early because the size limit was reached.
    pub crowded_out: u64,
}
