//! The codec for stored golden metrics: varints, zeros omitted, corrupt bytes detected.

use mesh::golden::GoldenMetrics;
use mesh::histogram::{INDEX_MAX, INDEX_MIN};
use mesh::report::Seen;

/// The format version, which is the first byte, so that a later format can coexist with this one.
const VERSION: u8 = 1;

/// Number of fields that are written only if they are not zero; a bit mask says which are present.
const SCALARS: usize = 13;

/// Why bytes cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The bytes end too early or too late.
    #[error("it has the wrong length")]
    Length,
    /// A number is out of range.
    #[error("a number in it is out of range")]
    Number,
    /// A later version has written the bytes.
    #[error("it has version {0}, but this control plane supports version {VERSION}")]
    Version(u8),
}

/// Encodes the metrics.
pub fn write(golden: &GoldenMetrics, into: &mut Vec<u8>) {
    into.push(VERSION);
    let scalars = [
        golden.hits,
        golden.by_rule,
        golden.failed,
        golden.failed_by_sitio,
        golden.total_us,
        golden.min_us.map_or(0, |min_us| min_us.saturating_add(1)),
        golden.max_us,
        golden.first_byte_total_us,
        golden.first_byte_max_us,
        golden.bytes_in,
        golden.bytes_in_max,
        golden.bytes_out,
        golden.bytes_out_max,
    ];
    let there = scalars.iter().enumerate().filter(|(_, number)| **number > 0).fold(0, |there, (at, _)| there | 1_u64 << at);
    put(there, into);
    scalars.into_iter().filter(|number| *number > 0).for_each(|number| put(number, into));
    put(golden.statuses().len() as u64, into);
    for (status, count) in golden.statuses() {
        put(u64::from(*status), into);
        put(*count, into);
    }
    put(golden.latency.zeros(), into);
    put(golden.latency.buckets().count() as u64, into);
    let mut before = INDEX_MIN;
    for (index, count) in golden.latency.buckets() {
        put((index - before) as u64, into);
        put(count, into);
        before = index;
    }
}

/// Decodes metrics, adds them to a sum, and returns the remaining bytes.
pub fn add<'a>(bytes: &'a [u8], sum: &mut GoldenMetrics) -> Result<&'a [u8], Corrupt> {
    let (version, mut bytes) = bytes.split_first().ok_or(Corrupt::Length)?;
    if *version != VERSION {
        return Err(Corrupt::Version(*version));
    }
    let there = take(&mut bytes)?;
    if there >> SCALARS != 0 {
        return Err(Corrupt::Number);
    }
    let mut scalars = [0; SCALARS];
    for (_, number) in scalars.iter_mut().enumerate().filter(|(at, _)| there >> at & 1 == 1) {
        *number = take(&mut bytes)?;
    }
    let mut golden = GoldenMetrics::default();
    golden.hits = scalars[0];
    golden.by_rule = scalars[1];
    golden.failed = scalars[2];
    golden.failed_by_sitio = scalars[3];
    golden.total_us = scalars[4];
    golden.min_us = scalars[5].checked_sub(1);
    golden.max_us = scalars[6];
    golden.first_byte_total_us = scalars[7];
    golden.first_byte_max_us = scalars[8];
    golden.bytes_in = scalars[9];
    golden.bytes_in_max = scalars[10];
    golden.bytes_out = scalars[11];
    golden.bytes_out_max = scalars[12];
    sum.merge(&golden);
    for _ in 0..take(&mut bytes)? {
        let status = u16::try_from(take(&mut bytes)?).map_err(|_| Corrupt::Number)?;
        sum.add_status(status, take(&mut bytes)?);
    }
    sum.latency.add_zeros(take(&mut bytes)?);
    let mut index = i64::from(INDEX_MIN);
    for _ in 0..take(&mut bytes)? {
        index = i64::try_from(take(&mut bytes)?).ok().and_then(|gap| index.checked_add(gap)).ok_or(Corrupt::Number)?;
        if index > i64::from(INDEX_MAX) {
            return Err(Corrupt::Number);
        }
        sum.latency.add(index as i32, take(&mut bytes)?);
    }
    Ok(bytes)
}

/// Encodes the total of a series and the times of its first and last request.
pub fn write_total(seen: Option<Seen>, golden: &GoldenMetrics) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    put(seen.map_or(0, |seen| seen.first_ms), &mut bytes);
    put(seen.map_or(0, |seen| seen.last_ms), &mut bytes);
    write(golden, &mut bytes);
    bytes
}

/// Decodes the output of [`write_total`].
pub fn read_total(mut bytes: &[u8]) -> Result<(Option<Seen>, GoldenMetrics), Corrupt> {
    let (first_ms, last_ms) = (take(&mut bytes)?, take(&mut bytes)?);
    let mut golden = GoldenMetrics::default();
    whole(add(bytes, &mut golden)?)?;
    Ok(((last_ms > 0).then_some(Seen { first_ms, last_ms }), golden))
}

/// Fails if bytes remain.
pub fn whole(rest: &[u8]) -> Result<(), Corrupt> {
    if rest.is_empty() { Ok(()) } else { Err(Corrupt::Length) }
}

/// Writes a varint: seven bits a byte, lowest first; the eighth bit is set if more bytes follow.
pub fn put(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// Reads the output of [`put`].
pub fn take(bytes: &mut &[u8]) -> Result<u64, Corrupt> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Corrupt::Length)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(Corrupt::Number);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Corrupt::Number)
}

#[cfg(test)]
mod tests;
