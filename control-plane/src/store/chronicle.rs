//! The chronicle of the pods, on disk: what is appended to it, whole or not at all, and what can be read of it at one instant.

use std::collections::{BTreeMap, BTreeSet};

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::store::StoreError;
use crate::store::compact::Torn;
use crate::store::rollup::{Keep, Resolution};

/// Where what the pods counted is kept. Its calls may block, so they are made where blocking is allowed.
///
/// A mark is the name of what is kept of a process, and [`Chronicle::append`] is a compare-and-set on marks.
pub trait Chronicle: Send + Sync + std::fmt::Debug {
    /// The marks of these processes: the last slot of ten seconds of which everything is kept; 0 where nothing is.
    fn marks(&self, processes: &[Process]) -> Result<Vec<u64>, StoreError>;

    /// Adds to it and moves the marks, whole and durable, or not at all.
    fn append(&self, append: &Append) -> Result<(), StoreError>;

    /// Forgets these series and what they ever counted. Their slots go when their time is over, and are nobody's until then.
    fn forget(&self, names: &[SeriesName]) -> Result<(), StoreError>;

    /// Shows it as it is at this instant.
    fn view(&self, look: &mut dyn FnMut(&dyn View) -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// The processes that were attached when the store was written last.
    fn attached(&self) -> Result<Vec<Process>, StoreError>;

    /// The counters that `/metrics` exposed last.
    fn exposed(&self) -> Result<Vec<(SeriesName, GoldenMetrics)>, StoreError>;

    /// Records who is attached and what is exposed, whole and durable, or not at all.
    fn record(&self, handover: &Handover) -> Result<(), StoreError>;

    /// How big it is.
    fn size(&self) -> Result<Size, StoreError>;

    /// For how long what is kept.
    fn keeps(&self) -> Keep;
}

/// A sidecar's process: the unit that numbers its windows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// Its pod.
    pub pod_uid: String,
    /// When it started, nanoseconds since the Unix epoch.
    pub epoch: u64,
}

/// What the next control plane has to know of this one beside the counts: one transaction.
#[derive(Debug, Clone, Default)]
pub struct Handover {
    /// Processes that have attached.
    pub attached: Vec<Process>,
    /// Processes that are attached no more.
    pub detached: Vec<Process>,
    /// Counters that `/metrics` is about to expose.
    pub exposed: Vec<(SeriesName, GoldenMetrics)>,
    /// Counters that it does not expose any more.
    pub withdrawn: Vec<SeriesName>,
}

/// An endpoint of a service, by its full name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesName {
    /// The namespace of the service.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The endpoint.
    pub endpoint: Endpoint,
}

/// Sums of windows, and how far they bring their processes: one transaction.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// What was counted.
    pub rows: Vec<Row>,
    /// The processes that counted it.
    pub advances: Vec<Advance>,
    /// When it is written by the machine's clock, milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// What one series counted.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which.
    pub name: SeriesName,
    /// Whether its path names a file.
    pub is_file: bool,
    /// When it was asked, as far as the pods have told.
    pub seen: Option<Seen>,
    /// By slot of ten seconds.
    pub slots: BTreeMap<u64, GoldenMetrics>,
}

/// A process's step from one mark to a later one: the number of the last slot of which everything is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// Whose.
    pub process: Process,
    /// The mark that was decided on; 0 if there was none.
    pub from: u64,
    /// The new one.
    pub to: u64,
}

/// A series as it is kept: everything that it ever counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Which.
    pub name: SeriesName,
    /// Whether its path names a file.
    pub is_file: bool,
    /// When it was asked.
    pub seen: Option<Seen>,
    /// All of it.
    pub total: GoldenMetrics,
}

/// A slot of a series, as it lies on disk.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a> {
    /// The number of its series.
    pub series: u32,
    /// When it begins, milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// What was counted, written by [`crate::store::compact`].
    pub(super) bytes: &'a [u8],
}

impl Slot<'_> {
    /// Adds it to a sum.
    pub fn add_to(&self, sum: &mut GoldenMetrics) -> Result<(), Torn> {
        crate::store::compact::add(self.bytes, sum).and_then(crate::store::compact::whole)
    }
}

/// Which slots to look at: those of one length that begin in `[from_ms, to_ms)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Their length.
    pub resolution: Resolution,
    /// From when on.
    pub from_ms: u64,
    /// Up to when.
    pub to_ms: u64,
}

/// The chronicle as it was at one instant, whatever is written meanwhile.
pub trait View {
    /// Every series, by its number.
    fn series(&self) -> Result<BTreeMap<u32, Kept>, StoreError>;

    /// Shows slots, the oldest first, of all series or of these only; it stops at the first that cannot be read.
    fn each_slot(
        &self,
        stretch: Stretch,
        only: Option<&BTreeSet<u32>>,
        see: &mut dyn FnMut(Slot<'_>) -> Result<(), Torn>,
    ) -> Result<(), StoreError>;

    /// When the oldest slot of this length begins, milliseconds since the Unix epoch; `None` if there is none.
    fn oldest_ms(&self, resolution: Resolution) -> Result<Option<u64>, StoreError>;

    /// When the slots of this length begin of which none has gone, milliseconds since the Unix epoch.
    fn whole_since_ms(&self, resolution: Resolution) -> Result<u64, StoreError>;

    /// Since when there is one, milliseconds since the Unix epoch.
    fn since_ms(&self) -> Result<u64, StoreError>;
}

/// How big a chronicle is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of the slots in it, by length, the finest first.
    pub slot_bytes: [u64; 3],
    /// Slots in it, by length.
    pub slots: [u64; 3],
    /// Slots that had to go before their time, because there was no room.
    pub crowded_out: u64,
}
