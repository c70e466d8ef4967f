//! Encodes and decodes windows; they share the endpoint numbers of the reports on their stream.

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;
use mesh::window::{SLOT_MAX, SPAN_MAX, Window, WindowKind, WindowRow};
use prost::Message as _;
use prost::bytes::Bytes;

use crate::convert::fields::Fields;
use crate::convert::live::{Decoder, Defined, Encoder, ROWS_MAX};
use crate::convert::stats::{read, stat};
use crate::convert::{InvalidMessage, at_most};
use crate::wire;

/// Encodes a window for the same stream as the reports of this encoder.
pub fn encode_window(encoder: &mut Encoder, window: &Window) -> wire::Window {
    let is_baseline = window.kind == WindowKind::Baseline;
    let mut wire = wire::Window { id: window.id, span: window.span, baseline: is_baseline, ..wire::Window::default() };
    for row in &window.rows {
        let id = encoder.id_of(&row.endpoint, row.is_file, &mut wire.defs);
        wire.stats.push(stat(id, &row.golden, row.seen));
    }
    wire
}

/// A received window. Its rows are validated but stay packed until they are added up. The control
/// plane holds the windows of ten thousand sidecars for a moment, and packed rows take a tenth of
/// the memory.
#[derive(Debug, Clone)]
pub struct PackedWindow {
    /// Its first slot.
    pub id: u64,
    /// How many slots it spans.
    pub span: u32,
    /// What its counts cover.
    pub kind: WindowKind,
    /// Its age when it was sent.
    pub age: WindowAge,
    /// Size of the message in bytes. The message stays in memory as long as any of its rows does.
    pub bytes: usize,
    /// The endpoints with any counts, each once.
    pub rows: Vec<PackedRow>,
}

/// The ages of a window's start and end when it was sent, in milliseconds by the sidecar's
/// monotonic clock. An older sidecar sends neither (`None`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowAge {
    /// Age of its start; a baseline has none.
    pub began_ago_ms: Option<u64>,
    /// Age of its end; for a baseline, the end of the last window that it includes.
    pub ended_ago_ms: Option<u64>,
}

/// One endpoint's part of a packed window.
#[derive(Debug, Clone)]
pub struct PackedRow {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Whether the path names a file.
    pub is_file: bool,
    /// Times of the first and the last request.
    pub seen: Option<Seen>,
    /// What was counted.
    pub counts: PackedCounts,
}

/// Encoded counts that have been validated.
#[derive(Debug, Clone)]
pub struct PackedCounts(Bytes);

impl PackedCounts {
    /// Encodes these counts.
    pub fn pack(golden: &GoldenMetrics) -> Self {
        Self(stat(0, golden, None).encode_to_vec().into())
    }

    /// Replaces the counts in `golden` by these.
    pub fn unpack_into(&self, golden: &mut GoldenMetrics) {
        read(&self.0, golden).expect("they were read before");
    }
}

impl PackedWindow {
    /// Its last slot.
    pub fn last_slot(&self) -> u64 {
        self.id.saturating_add(u64::from(self.span)).saturating_sub(1)
    }

    /// Decodes the rows and sorts them by name.
    pub fn unpack(self) -> Window {
        let row = |PackedRow { endpoint, is_file, seen, counts }: PackedRow| {
            let mut golden = GoldenMetrics::default();
            counts.unpack_into(&mut golden);
            WindowRow { endpoint, is_file, golden, seen }
        };
        let mut rows: Vec<WindowRow> = self.rows.into_iter().map(row).collect();
        rows.sort_unstable_by(|one, other| one.endpoint.cmp(&other.endpoint));
        Window { id: self.id, span: self.span, kind: self.kind, rows }
    }
}

/// Decodes and validates a window of the same stream as the reports of this decoder. If a field is invalid, definitions before it are kept.
pub fn decode_window(decoder: &mut Decoder, window: &Bytes) -> Result<PackedWindow, InvalidMessage> {
    let mut packed = window_head(decoder, window)?;
    check_stretch(&packed)?;
    let (mut golden, mut fields) = (GoldenMetrics::default(), Fields::new("window", window));
    while let Some((field, value)) = fields.read()? {
        if field != 4 {
            continue;
        }
        let counts = value.bytes("stats")?;
        let reported = read(counts, &mut golden)?;
        let Defined { endpoint, is_file, .. } = decoder.defined_row(reported.id, packed.rows.len())?;
        if let Some(why) = golden.contradiction() {
            return Err(InvalidMessage::Senseless { field: "stats", why: format!("of {endpoint}, {why}") });
        }
        let counts = PackedCounts(window.slice_ref(counts));
        packed.rows.push(PackedRow { endpoint: endpoint.clone(), is_file: *is_file, seen: reported.seen, counts });
    }
    Ok(packed)
}

/// Reads the header fields and the definitions, wherever they are in the message.
fn window_head(decoder: &mut Decoder, window: &[u8]) -> Result<PackedWindow, InvalidMessage> {
    decoder.begin();
    let (kind, age, bytes) = (WindowKind::Change, WindowAge::default(), window.len());
    let mut packed = PackedWindow { id: 0, span: 0, kind, age, bytes, rows: Vec::new() };
    let (mut rows, mut fields) = (0, Fields::new("window", window));
    // The field numbers are those of `Window` in mesh.proto.
    while let Some((field, value)) = fields.read()? {
        match field {
            1 => packed.id = value.number("id")?,
            2 => packed.span = value.number("span")? as u32,
            3 => decoder.define(&value.message("defs")?)?,
            4 => rows += 1,
            5 if value.number("baseline")? > 0 => packed.kind = WindowKind::Baseline,
            6 => packed.age.began_ago_ms = Some(value.number("began_ago_ms")?),
            7 => packed.age.ended_ago_ms = Some(value.number("ended_ago_ms")?),
            _ => {}
        }
    }
    at_most("stats", rows, ROWS_MAX)?;
    packed.rows.reserve_exact(rows);
    Ok(packed)
}

/// Encodes a window as a message of the stream.
impl From<wire::Window> for wire::up::Message {
    fn from(window: wire::Window) -> Self {
        Self::Window(window.encode_to_vec().into())
    }
}

/// Checks that a window is within the calendar. A baseline may have the mark 0, for no windows.
/// Slot 0 is not used otherwise.
fn check_stretch(window: &PackedWindow) -> Result<(), InvalidMessage> {
    let kind = window.kind;
    let spans = if kind == WindowKind::Baseline { 1..=1 } else { 1..=SPAN_MAX };
    if !spans.contains(&window.span) {
        let why = format!("{} is outside {} to {}", window.span, spans.start(), spans.end());
        return Err(InvalidMessage::Senseless { field: "span", why });
    }
    let first = u64::from(kind == WindowKind::Change);
    if !(first..=SLOT_MAX - u64::from(window.span - 1)).contains(&window.id) {
        return Err(InvalidMessage::Senseless { field: "id", why: format!("{} is outside {first} to {SLOT_MAX}", window.id) });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
