//! Windows on the wire: numbered like the reports of their stream, and checked like them.

use mesh::window::{SLOT_MAX, SPAN_MAX, Window, WindowKind, WindowRow};

use crate::convert::live::{Decoder, Encoder, ROWS_MAX};
use crate::convert::stats::{golden, seen, stat};
use crate::convert::{Refused, bounded};
use crate::wire;

impl Encoder {
    /// Puts a window on the wire, on the same stream as the reports.
    pub fn encode_window(&mut self, window: &Window) -> wire::Window {
        let is_baseline = window.kind == WindowKind::Baseline;
        let mut wire = wire::Window { id: window.id, span: window.span, baseline: is_baseline, ..wire::Window::default() };
        for row in &window.rows {
            let id = self.id_of(&row.endpoint, row.is_file, &mut wire.defs);
            wire.stats.push(stat(id, &row.golden, row.seen));
        }
        wire
    }
}

impl Decoder {
    /// Takes a window off the wire, or says which field is wrong. Definitions before the fault are kept.
    pub fn decode_window(&mut self, window: wire::Window) -> Result<Window, Refused> {
        self.begin(&window.defs)?;
        let kind = if window.baseline { WindowKind::Baseline } else { WindowKind::Change };
        check_stretch(&window, kind)?;
        let stats = bounded("stats", window.stats, ROWS_MAX)?;
        let mut rows = Vec::with_capacity(stats.len());
        for stat in stats {
            let defined = self.told_of(stat.id, rows.len())?;
            let (endpoint, is_file) = (defined.endpoint.clone(), defined.is_file);
            let golden = golden(&stat)?;
            if !golden.is_plausible() {
                return Err(Refused::Senseless { field: "stats", why: format!("a count of {endpoint} is over 2^50") });
            }
            rows.push(WindowRow { endpoint, is_file, golden, seen: seen(&stat) });
        }
        rows.sort_unstable_by(|one, other| one.endpoint.cmp(&other.endpoint));
        Ok(Window { id: window.id, span: window.span, kind, rows })
    }
}

/// A window lies within the calendar. A baseline's mark may be 0, for nothing; a slot before 1 nobody counts in.
fn check_stretch(window: &wire::Window, kind: WindowKind) -> Result<(), Refused> {
    let spans = if kind == WindowKind::Baseline { 1..=1 } else { 1..=SPAN_MAX };
    if !spans.contains(&window.span) {
        let why = format!("{} is outside {} to {}", window.span, spans.start(), spans.end());
        return Err(Refused::Senseless { field: "span", why });
    }
    let first = u64::from(kind == WindowKind::Change);
    if !(first..=SLOT_MAX - u64::from(window.span - 1)).contains(&window.id) {
        return Err(Refused::Senseless { field: "id", why: format!("{} is outside {first} to {SLOT_MAX}", window.id) });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
