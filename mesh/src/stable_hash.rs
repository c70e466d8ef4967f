//! A hash that is the same in every process and version: for ids in pages, and to compare rule sets.

use std::fmt;
use std::ops::Deref;

/// A 64-bit FNV-1a hash. It is not made for untrusted keys of a hash table: collisions are easy to make.
#[derive(Debug, Clone, Copy)]
pub struct StableHash(u64);

impl StableHash {
    /// The hash of no bytes.
    pub const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// Adds bytes.
    pub fn add(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The hash of all bytes so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

/// The hash of these bytes.
pub fn stable_hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let mut hash = StableHash::EMPTY;
    hash.add(bytes);
    hash.value()
}

/// Bytes of a [`ShortId`]: its letter, and a digit for each four of 48 bits.
const ID_BYTES: usize = 13;

/// An id for URLs and page elements: a letter for its kind, and a hash of 48 bits in hexadecimal, which is plenty for
/// 65,536 names. It is a hash because names are untrusted input and not valid as ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShortId([u8; ID_BYTES]);

impl ShortId {
    /// The id of these bytes; `kind` is an ASCII letter.
    pub fn new(kind: u8, bytes: impl IntoIterator<Item = u8>) -> Self {
        let hash = stable_hash(bytes);
        let mut text = [kind; ID_BYTES];
        for (place, digit) in text[1..].iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[(hash >> (4 * place) & 0xf) as usize];
        }
        Self(text)
    }
}

impl fmt::Display for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Deref for ShortId {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_vectors_hold() {
        assert_eq!(stable_hash(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(stable_hash(*b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(stable_hash(*b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(*ShortId::new(b'p', *b"foobar"), *"p4171f73967e8");
    }
}
