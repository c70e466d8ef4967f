//! Request and response bodies of a known pattern, so that a lost, duplicated or reordered byte is detected.

use std::sync::LazyLock;

/// A prime, so that the pattern does not align with a buffer, a chunk or a memory page.
const PERIOD: usize = 1_000_003;

static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..PERIOD).map(|_| next()).collect()
});

/// The bytes of the pattern from `offset` on: at most `bytes_max`, and at least one.
pub fn piece(offset: u64, bytes_max: usize) -> &'static [u8] {
    let from = (offset % PERIOD as u64) as usize;
    &PATTERN[from..PERIOD.min(from + bytes_max)]
}

/// The first `bytes` of the pattern in one buffer.
pub fn whole(bytes: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(bytes);
    while body.len() < bytes {
        body.extend_from_slice(piece(body.len() as u64, bytes - body.len()));
    }
    body
}

/// Compares what arrives with the pattern.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Check {
    /// Bytes that have arrived.
    pub bytes: u64,
    /// The offset of the first wrong byte.
    pub differs_at: Option<u64>,
}

impl Check {
    /// Checks the next bytes.
    pub fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let expected = piece(self.bytes, bytes.len());
            let (now, later) = bytes.split_at(expected.len());
            if now != expected && self.differs_at.is_none() {
                let at = now.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(0);
                self.differs_at = Some(self.bytes + at as u64);
            }
            self.bytes += now.len() as u64;
            bytes = later;
        }
    }
}
