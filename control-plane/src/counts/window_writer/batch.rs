//! Sums windows before they are written: many pods count the same endpoint, so the disk stores endpoints, not pods.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::counts::timeline::apportion::Fraction;
use crate::counts::timeline::series::Series;
use crate::counts::window_writer::pending_row::PendingRow;
use crate::counts::window_writer::pending_window::{PendingWindow, TenSecondSlots};
use crate::store::StoreError;
use crate::store::metrics_store::{Advance, Append, AppendRow, MetricsStore, Process};
use crate::store::rollup::WINDOW_MS;

/// Parts into which a window of many slots is divided. It has grown so long because no control
/// plane received it, and its counts by second are unknown. Sixty parts, as an hour has minutes,
/// are a fine enough guess.
const PARTS_MAX: u64 = 60;

/// The result of writing a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteResult {
    /// It is on disk now.
    Written,
    /// It was on disk before.
    Duplicate,
}

/// Writes all windows that are not on disk yet in one transaction, in their order.
pub(super) fn write(
    metrics_store: &dyn MetricsStore,
    windows: &[PendingWindow],
    now_ms: u64,
) -> Result<Vec<WriteResult>, StoreError> {
    let mut processes: Vec<Process> = windows.iter().map(|window| Process::clone(&window.process)).collect();
    processes.sort_unstable();
    processes.dedup();
    let known = metrics_store.marks(&processes)?;
    let mut marks: HashMap<&Process, (u64, u64)> =
        processes.iter().zip(known).map(|(process, mark)| (process, (mark, mark))).collect();
    let mut sums = SlotSums::default();
    let mut results = Vec::with_capacity(windows.len());
    for window in windows {
        let (_, mark) = marks.get_mut(&*window.process).expect("the marks of all processes were read");
        // Streams refuse a window that is only partly new, so the first slot decides for all.
        if window.id <= *mark {
            results.push(WriteResult::Duplicate);
            continue;
        }
        *mark = window.end();
        sums.add(window, now_ms);
        results.push(WriteResult::Written);
    }
    let moved = marks.into_iter().filter(|(_, (from, to))| from < to);
    let advances: Vec<_> = moved.map(|(process, (from, to))| Advance { process: process.clone(), from, to }).collect();
    if !advances.is_empty() {
        metrics_store.append(&Append { rows: sums.rows(), advances, now_ms })?;
    }
    Ok(results)
}

/// Sums by series and slot.
#[derive(Default)]
struct SlotSums(HashMap<usize, SlotSum>);

struct SlotSum {
    series: Arc<Series>,
    seen: Option<Seen>,
    slots: BTreeMap<u64, GoldenMetrics>,
}

impl SlotSums {
    fn add(&mut self, window: &PendingWindow, now_ms: u64) {
        // A clock that runs ahead is not trusted.
        let newest = now_ms / WINDOW_MS;
        let TenSecondSlots { first, span } = window.placed;
        let mut golden = GoldenMetrics::default();
        for row in &window.rows {
            row.counts.unpack_into(&mut golden);
            let series = row.series.canonical();
            let sum = self.0.entry(series.number).or_insert_with(|| SlotSum { series, seen: None, slots: BTreeMap::new() });
            let seen = believed(row, window, now_ms);
            sum.seen = Some(sum.seen.map_or(seen, |known| known.and(seen)));
            if span == 1 {
                sum.slots.entry(first.min(newest)).or_default().merge(&golden);
                continue;
            }
            let parts = span.min(PARTS_MAX);
            let bound = |part: u64| part * span / parts;
            for part in 0..parts {
                let share = Fraction { from: bound(part), to: bound(part + 1), of: span }.metrics(&golden);
                if share != GoldenMetrics::default() {
                    sum.slots.entry((first + bound(part)).min(newest)).or_default().merge(&share);
                }
            }
        }
    }

    fn rows(self) -> Vec<AppendRow> {
        let row =
            |SlotSum { series, seen, slots }: SlotSum| AppendRow { name: series.name(), is_file: series.is_file(), seen, slots };
        self.0.into_values().map(row).collect()
    }
}

/// When a row was called, by the pod's times or by the window that it is in: last not before that
/// window, and not later than now.
fn believed(row: &PendingRow, window: &PendingWindow, now_ms: u64) -> Seen {
    let placed = window.placed;
    let whole = Seen { first_ms: placed.first * WINDOW_MS, last_ms: (placed.last() + 1) * WINDOW_MS };
    let reported = row.seen.unwrap_or(whole);
    if placed.first != window.id {
        let moved_ms = placed.first.cast_signed().saturating_sub(window.id.cast_signed()).saturating_mul(WINDOW_MS.cast_signed());
        return reported.shifted(moved_ms).within(whole.first_ms, whole.last_ms.min(now_ms));
    }
    Seen { first_ms: reported.first_ms.min(now_ms), last_ms: reported.last_ms.max(whole.first_ms).min(now_ms) }
}
