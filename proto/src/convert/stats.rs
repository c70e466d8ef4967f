//! Encodes and decodes the counts of one endpoint, for reports and windows.

use mesh::golden::{GoldenMetrics, STATUSES_MAX};
use mesh::report::Seen;

use crate::convert::InvalidMessage;
use crate::convert::fields::{Fields, signed};
use crate::convert::stats::varints::Varints;
use crate::wire;

mod buckets;
mod varints;

/// Numbers in the field `extremes`.
const EXTREMES: usize = 5;

/// Status codes have three digits and are encoded relative to 200, the usual one.
const CODES: u64 = 1000;
const USUAL_CODE: u64 = 200;

/// Encodes one row.
pub(super) fn stat(id: u32, golden: &GoldenMetrics, seen: Option<Seen>) -> wire::Stat {
    let (hist_lowest, hist) = buckets::pack(&golden.latency);
    wire::Stat {
        id,
        untimed: golden.hits.wrapping_sub(golden.latency.count()).cast_signed(),
        total_us: golden.total_us,
        max_us: golden.max_us,
        bytes_in: golden.bytes_in,
        bytes_out: golden.bytes_out,
        status: varints::pack(golden.statuses().iter().flat_map(|(code, count)| [encode_code(*code), *count])),
        by_rule: golden.by_rule,
        failed_less_5xx: golden.failed.wrapping_sub(fives(golden)).cast_signed(),
        failed_by_sitio: golden.failed_by_sitio,
        extremes: extremes(golden),
        first_ms: seen.map_or(0, |seen| seen.first_ms),
        last_ms: seen.map_or(0, |seen| seen.last_ms),
        hist_zeros: golden.latency.zeros(),
        hist_lowest,
        hist,
        ..wire::Stat::default()
    }
}

fn encode_code(code: u16) -> u64 {
    (u64::from(code) + CODES - USUAL_CODE) % CODES
}

fn code(row: u64) -> Option<u16> {
    (row < CODES).then(|| ((row + USUAL_CODE) % CODES) as u16)
}

/// Responses with 500 to 599, which `failed_less_5xx` is relative to. Those from 600 on are not
/// included, although they count as 5xx elsewhere.
fn fives(golden: &GoldenMetrics) -> u64 {
    let fives = golden.statuses().iter().filter(|(code, _)| (500..600).contains(code));
    fives.fold(0, |sum, (_, count)| sum.saturating_add(*count))
}

/// Encodes maxima, minima and the times to the first byte. Empty for an endpoint that only has requests under way.
fn extremes(golden: &GoldenMetrics) -> Vec<u8> {
    let extremes: [u64; EXTREMES] = [
        golden.min_us.map_or(0, |min_us| min_us.saturating_add(1)),
        golden.total_us.saturating_sub(golden.first_byte_total_us),
        golden.max_us.saturating_sub(golden.first_byte_max_us),
        golden.bytes_in_max,
        golden.bytes_out_max,
    ];
    let row = extremes.iter().rposition(|extreme| *extreme > 0).map_or(0, |last| last + 1);
    varints::pack(extremes.into_iter().take(row))
}

fn set_extremes(golden: &mut GoldenMetrics, packed: &[u8]) -> Result<(), InvalidMessage> {
    let (mut varints, mut extremes) = (Varints::new("extremes", packed), [0; EXTREMES]);
    for extreme in &mut extremes {
        *extreme = varints.read()?.unwrap_or(0);
    }
    if varints.read()?.is_some() {
        return Err(InvalidMessage::TooMuch { field: "extremes", limit: EXTREMES });
    }
    let why = || InvalidMessage::Senseless { field: "extremes", why: "the first byte cannot come after the last".into() };
    let [min_us, total_us, max_us, bytes_in_max, bytes_out_max] = extremes;
    golden.min_us = min_us.checked_sub(1);
    golden.first_byte_total_us = golden.total_us.checked_sub(total_us).ok_or_else(why)?;
    golden.first_byte_max_us = golden.max_us.checked_sub(max_us).ok_or_else(why)?;
    (golden.bytes_in_max, golden.bytes_out_max) = (bytes_in_max, bytes_out_max);
    Ok(())
}

fn set_statuses(golden: &mut GoldenMetrics, packed: &[u8]) -> Result<(), InvalidMessage> {
    let mut varints = Varints::new("status", packed);
    let mut codes = 0;
    while let Some(row) = varints.read()? {
        codes += 1;
        if codes > STATUSES_MAX + 1 {
            return Err(InvalidMessage::TooMuch { field: "status", limit: STATUSES_MAX });
        }
        let senseless = |why: &str| InvalidMessage::Senseless { field: "status", why: why.into() };
        let code = code(row).ok_or_else(|| senseless("a status has three digits"))?;
        golden.add_status(code, varints.read()?.ok_or_else(|| senseless("a code has no count"))?);
    }
    Ok(())
}

/// Fields of a row besides its counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RowFacts {
    /// The number of the endpoint.
    pub(super) id: u32,
    /// Requests under way.
    pub(super) in_flight: u32,
    /// Times of the first and the last request, if the row has them.
    pub(super) seen: Option<Seen>,
}

/// Fields that are relative to other fields or are unpacked later.
#[derive(Default)]
struct Rest<'a> {
    untimed: i64,
    failed_less_5xx: i64,
    extremes: &'a [u8],
    status: &'a [u8],
    hist_lowest: i32,
    hist: &'a [u8],
    hist_zeros: u64,
}

/// Decodes and validates one row; it replaces the counts in `golden`.
pub(super) fn read(stat: &[u8], golden: &mut GoldenMetrics) -> Result<RowFacts, InvalidMessage> {
    golden.renew();
    let (mut row, mut rest, mut fields) = (RowFacts::default(), Rest::default(), Fields::new("stats", stat));
    let (mut first_ms, mut last_ms) = (0, 0);
    // The field numbers are those of `Stat` in mesh.proto.
    while let Some((field, value)) = fields.read()? {
        match field {
            1 => row.id = value.number("id")? as u32,
            2 => rest.untimed = signed(value.number("untimed")?),
            3 => golden.total_us = value.number("total_us")?,
            4 => golden.max_us = value.number("max_us")?,
            5 => golden.bytes_in = value.number("bytes_in")?,
            6 => golden.bytes_out = value.number("bytes_out")?,
            7 => rest.status = value.bytes("status")?,
            8 => rest.hist_lowest = signed(value.number("hist_lowest")? & 0xffff_ffff) as i32,
            9 => rest.hist = value.bytes("hist")?,
            10 => row.in_flight = value.number("in_flight")? as u32,
            11 => golden.by_rule = value.number("by_rule")?,
            12 => rest.hist_zeros = value.number("hist_zeros")?,
            13 => rest.failed_less_5xx = signed(value.number("failed_less_5xx")?),
            14 => golden.failed_by_sitio = value.number("failed_by_sitio")?,
            15 => rest.extremes = value.bytes("extremes")?,
            16 => first_ms = value.number("first_ms")?,
            17 => last_ms = value.number("last_ms")?,
            // A newer sidecar may send further fields.
            _ => {}
        }
    }
    row.seen = (first_ms > 0).then(|| Seen { first_ms, last_ms: last_ms.max(first_ms) });
    rest.complete(golden)?;
    Ok(row)
}

impl Rest<'_> {
    fn complete(&self, golden: &mut GoldenMetrics) -> Result<(), InvalidMessage> {
        set_extremes(golden, self.extremes)?;
        set_statuses(golden, self.status)?;
        buckets::unpack(self.hist_lowest, self.hist, &mut golden.latency)?;
        golden.latency.add_zeros(self.hist_zeros);
        golden.hits = golden.latency.count().wrapping_add_signed(self.untimed);
        golden.failed = fives(golden).wrapping_add_signed(self.failed_less_5xx);
        Ok(())
    }
}
