//! Bytes that a peer has not taken yet, and how many of them this thread holds for all its peers together.

use std::cell::Cell;

/// Room that a buffer may keep once it is empty.
const KEPT_BYTES_MAX: usize = 4 * 1024;

thread_local! {
    /// Counted per thread, as the worker's scratch is: what it bounds is read into that.
    static HELD_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// What waits for one peer.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

/// All that this thread holds for peers that do not keep up.
pub(super) fn held_bytes() -> usize {
    HELD_BYTES.get()
}

impl Unsent {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds bytes behind those that wait.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.bytes.extend_from_slice(bytes);
            HELD_BYTES.set(HELD_BYTES.get() + bytes.len());
        }
    }

    /// What is to be written next.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// So many bytes of the rest were taken. When all are, the room is given back if it has grown.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.bytes.len() {
            self.forget();
            if self.bytes.capacity() > KEPT_BYTES_MAX {
                self.bytes = Vec::new();
            }
        }
    }

    fn forget(&mut self) {
        HELD_BYTES.set(HELD_BYTES.get() - self.bytes.len());
        self.bytes.clear();
        self.sent = 0;
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_until_it_is_taken_or_dropped() {
        let (mut one, mut other) = (Unsent::default(), Unsent::default());
        one.keep(&[1; 10_000]);
        other.keep(b"abc");
        assert_eq!(held_bytes(), 10_003);
        one.advance(9_999);
        assert_eq!((one.rest(), held_bytes()), (&[1][..], 10_003), "the room is still there");
        one.advance(1);
        assert!(one.is_empty());
        assert_eq!((one.bytes.capacity(), held_bytes()), (0, 3));
        drop(other);
        assert_eq!(held_bytes(), 0);
    }
}
