//! A value in the table of totals: its fields, and its encoding.

use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::store::codec;

/// A value in the table of totals.
#[derive(Debug, Default)]
pub(super) struct StoredTotal {
    pub(super) is_file: bool,
    /// When it was last written; older files do not have this.
    pub(super) written_ms: Option<u64>,
    pub(super) seen: Option<Seen>,
    pub(super) golden: GoldenMetrics,
}

/// Bits of the first byte of a total.
const IS_FILE: u8 = 1;
const HAS_WRITTEN_MS: u8 = 2;

impl StoredTotal {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        let mut bytes = vec![flag(self.is_file, IS_FILE) | flag(self.written_ms.is_some(), HAS_WRITTEN_MS)];
        if let Some(written_ms) = self.written_ms {
            codec::put(written_ms, &mut bytes);
        }
        bytes.extend(codec::write_total(self.seen, &self.golden));
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, codec::Corrupt> {
        let (flags, mut rest) = bytes.split_first().ok_or(codec::Corrupt::Length)?;
        if flags & !(IS_FILE | HAS_WRITTEN_MS) != 0 {
            return Err(codec::Corrupt::Number);
        }
        let written_ms = if flags & HAS_WRITTEN_MS == 0 { None } else { Some(codec::take(&mut rest)?) };
        let (seen, golden) = codec::read_total(rest)?;
        Ok(Self { is_file: flags & IS_FILE != 0, written_ms, seen, golden })
    }

    /// Time of the last write by our own clock, because pod clocks may be wrong. Older files only
    /// have the last request.
    pub(super) fn newest_ms(&self) -> Option<u64> {
        self.written_ms.or(self.seen.map(|seen| seen.last_ms))
    }
}
