//! The write buffer of a connection, and the total of buffered bytes on this thread.

use std::cell::Cell;

/// Capacity that an empty buffer may keep.
pub(super) const KEPT_BYTES_MAX: usize = 4 * 1024;

thread_local! {
    /// Counted per thread, like the worker's scratch buffer, whose read size it limits.
    static HELD_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// The write buffer of one connection.
#[derive(Debug, Default)]
pub(crate) struct WriteBuffer {
    bytes: Vec<u8>,
    sent: usize,
}

/// All bytes that this thread buffers for slow peers.
pub(crate) fn held_bytes() -> usize {
    HELD_BYTES.get()
}

impl WriteBuffer {
    /// Whether the buffer is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends bytes. The buffer grows by a quarter at a time: thousands of buffers may each hold a whole window.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.sent >= self.bytes.len() / 2 {
            self.remove_sent();
        }
        if self.bytes.len() + bytes.len() > self.bytes.capacity() {
            self.bytes.reserve_exact(bytes.len().max(self.bytes.len() / 4));
        }
        self.bytes.extend_from_slice(bytes);
        HELD_BYTES.set(HELD_BYTES.get() + bytes.len());
    }

    /// The bytes to write next.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Marks this many bytes as written. When none are left, a grown buffer is freed.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.bytes.len() {
            self.forget();
            if self.bytes.capacity() > KEPT_BYTES_MAX {
                self.bytes = Vec::new();
            }
        }
    }

    /// Makes room at the front, so that a buffer that is never quite empty does not grow.
    fn remove_sent(&mut self) {
        HELD_BYTES.set(HELD_BYTES.get() - self.sent);
        self.bytes.drain(..self.sent);
        self.sent = 0;
    }

    fn forget(&mut self) {
        HELD_BYTES.set(HELD_BYTES.get() - self.bytes.len());
        self.bytes.clear();
        self.sent = 0;
    }
}

impl Drop for WriteBuffer {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_until_it_is_taken_or_dropped() {
        let (mut one, mut other) = (WriteBuffer::default(), WriteBuffer::default());
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
