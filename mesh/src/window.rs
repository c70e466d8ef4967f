//! The durable record: what a pod counted in ten seconds, or in a longer stretch put together of such.

use crate::endpoint::Endpoint;
use crate::golden::GoldenMetrics;
use crate::report::Seen;

/// Seconds of one slot. Slots are numbered by Unix time: slot 1 begins ten seconds after its epoch.
pub const WINDOW_S: u32 = 10;

/// Slots that one window may span: those of a year. A sidecar that hears of no control plane for that long tells of
/// all before as of that year.
pub const SPAN_MAX: u32 = 366 * 24 * 3600 / WINDOW_S;

/// The last slot that can be told: the one that ends the year 9999. What is beyond it no calendar knows.
pub const SLOT_MAX: u64 = 253_402_300_800 / WINDOW_S as u64 - 1;

/// What one window tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// What was counted within its slots. It never changes once it was sent, so that it can be sent twice.
    Change,
    /// What the process has counted from its start up to and including slot `id`: all that it needs not tell again.
    Baseline,
}

/// What one pod counted in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its first slot. Numbers only grow within one process, whatever its wall clock does.
    pub id: u64,
    /// How many slots it spans; 1 for a baseline.
    pub span: u32,
    /// What it tells.
    pub kind: WindowKind,
    /// The endpoints with anything to tell, each once, in the order of their names.
    pub rows: Vec<WindowRow>,
}

/// One endpoint's part of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRow {
    /// Which one.
    pub endpoint: Endpoint,
    /// Whether its path names a file.
    pub is_file: bool,
    /// What was counted.
    pub golden: GoldenMetrics,
    /// When it was asked first and last.
    pub seen: Option<Seen>,
}

/// The slot in which an instant lies.
pub fn slot_of(unix_ms: u64) -> u64 {
    unix_ms / (u64::from(WINDOW_S) * 1000)
}

impl Window {
    /// What was counted within one slot.
    pub fn of_slot(id: u64, rows: Vec<WindowRow>) -> Self {
        Self { id, span: 1, kind: WindowKind::Change, rows: gathered(rows) }
    }

    /// Its last slot, which is the mark that says it is durable.
    pub fn last_slot(&self) -> u64 {
        self.id.saturating_add(u64::from(self.span)).saturating_sub(1)
    }

    /// When it began, milliseconds since the Unix epoch.
    pub fn from_ms(&self) -> u64 {
        self.id.saturating_mul(u64::from(WINDOW_S) * 1000)
    }

    /// When it was over, milliseconds since the Unix epoch.
    pub fn to_ms(&self) -> u64 {
        self.last_slot().saturating_add(1).saturating_mul(u64::from(WINDOW_S) * 1000)
    }

    /// Takes in the window that comes next, and spans what lies between the two. No count is lost.
    pub fn append(&mut self, next: Self) {
        let span = next.last_slot().saturating_sub(self.id).saturating_add(1);
        self.span = u32::try_from(span).unwrap_or(SPAN_MAX).min(SPAN_MAX);
        self.rows.extend(next.rows);
        self.rows = gathered(std::mem::take(&mut self.rows));
    }

    /// Puts rows under other names, and together what has the same name then.
    pub fn rename(&mut self, name: impl Fn(&Endpoint) -> Option<Endpoint>) {
        for row in &mut self.rows {
            if let Some(renamed) = name(&row.endpoint) {
                row.endpoint = renamed;
            }
        }
        self.rows = gathered(std::mem::take(&mut self.rows));
    }

    /// All its endpoints together.
    pub fn sum(&self) -> GoldenMetrics {
        let mut sum = GoldenMetrics::default();
        self.rows.iter().for_each(|row| sum.merge(&row.golden));
        sum
    }
}

impl WindowRow {
    /// Adds what another row of the same endpoint has counted.
    pub fn merge(&mut self, other: &Self) {
        self.is_file |= other.is_file;
        self.golden.merge(&other.golden);
        self.seen = self.seen.into_iter().chain(other.seen).reduce(Seen::and);
    }
}

/// The rows by name, each name once.
fn gathered(mut rows: Vec<WindowRow>) -> Vec<WindowRow> {
    rows.sort_by(|one, other| one.endpoint.cmp(&other.endpoint));
    rows.dedup_by(|later, kept| {
        let is_same = later.endpoint == kept.endpoint;
        if is_same {
            kept.merge(later);
        }
        is_same
    });
    rows
}

#[cfg(test)]
mod tests;
