//! A window, the durable record: what a pod counted in ten seconds, or in several such slots merged.

use crate::endpoint::Endpoint;
use crate::golden::GoldenMetrics;
use crate::report::Seen;

/// Seconds of one slot. Slots are numbered by Unix time: slot 1 begins ten seconds after the epoch.
pub const WINDOW_S: u32 = 10;

/// Slots that one window may span: one year. A sidecar that is without a control plane for longer
/// reports older counts as part of that year.
pub const SPAN_MAX: u32 = 366 * 24 * 3600 / WINDOW_S;

/// The last valid slot: it ends the year 9999. Calendars do not support later times.
pub const SLOT_MAX: u64 = 253_402_300_800 / WINDOW_S as u64 - 1;

/// What the counts of a window cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// The counts within its slots. A window never changes after it was sent, so it can be sent twice.
    Change,
    /// The counts of the process from its start up to and including slot `id`; they are not reported again.
    Baseline,
}

/// The counts of one pod in a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its first slot. Numbers only grow within one process, even if its wall clock goes back.
    pub id: u64,
    /// How many slots it spans; 1 for a baseline.
    pub span: u32,
    /// What its counts cover.
    pub kind: WindowKind,
    /// The endpoints with any counts, each once, sorted by name.
    pub rows: Vec<WindowRow>,
}

/// One endpoint's part of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRow {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Whether the path names a file.
    pub is_file: bool,
    /// What was counted.
    pub golden: GoldenMetrics,
    /// Times of the first and the last request.
    pub seen: Option<Seen>,
}

/// The slot of an instant.
pub fn slot_of(unix_ms: u64) -> u64 {
    unix_ms / (u64::from(WINDOW_S) * 1000)
}

impl Window {
    /// A window with the counts of one slot.
    pub fn from_slot(id: u64, rows: Vec<WindowRow>) -> Self {
        Self { id, span: 1, kind: WindowKind::Change, rows: gathered(rows) }
    }

    /// Its last slot; the control plane acknowledges a durable window with this number.
    pub fn last_slot(&self) -> u64 {
        self.id.saturating_add(u64::from(self.span)).saturating_sub(1)
    }

    /// Its start, milliseconds since the Unix epoch.
    pub fn from_ms(&self) -> u64 {
        self.id.saturating_mul(u64::from(WINDOW_S) * 1000)
    }

    /// Its end, milliseconds since the Unix epoch.
    pub fn to_ms(&self) -> u64 {
        self.last_slot().saturating_add(1).saturating_mul(u64::from(WINDOW_S) * 1000)
    }

    /// Merges the next window into this one; the result also spans the gap between both. No count is lost.
    pub fn append(&mut self, next: Self) {
        let span = next.last_slot().saturating_sub(self.id).saturating_add(1);
        self.span = u32::try_from(span).unwrap_or(SPAN_MAX).min(SPAN_MAX);
        self.rows.extend(next.rows);
        self.rows = gathered(std::mem::take(&mut self.rows));
    }

    /// Renames rows and merges those that have the same name afterwards.
    pub fn rename(&mut self, name: impl Fn(&Endpoint) -> Option<Endpoint>) {
        for row in &mut self.rows {
            if let Some(renamed) = name(&row.endpoint) {
                row.endpoint = renamed;
            }
        }
        self.rows = gathered(std::mem::take(&mut self.rows));
    }

    /// The sum over all endpoints.
    pub fn sum(&self) -> GoldenMetrics {
        let mut sum = GoldenMetrics::default();
        self.rows.iter().for_each(|row| sum.merge(&row.golden));
        sum
    }
}

impl WindowRow {
    /// Adds the counts of another row of the same endpoint.
    pub fn merge(&mut self, other: &Self) {
        self.is_file |= other.is_file;
        self.golden.merge(&other.golden);
        self.seen = self.seen.into_iter().chain(other.seen).reduce(Seen::and);
    }
}

/// Sorts the rows by name and merges rows of the same name.
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
