//! A hash that is the same in every process and version: for ids in pages, and to compare rule sets.

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

/// An id for URLs and page elements: a letter for its kind, and a hash of 48 bits, which is plenty for 65,536 names. It
/// is a hash because names are untrusted input and not valid as ids.
pub fn short_id(kind: char, bytes: impl IntoIterator<Item = u8>) -> String {
    format!("{kind}{:012x}", stable_hash(bytes) & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_vectors_hold() {
        assert_eq!(stable_hash(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(stable_hash(*b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(stable_hash(*b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(short_id('p', *b"foobar"), "p4171f73967e8");
    }
}
