//! How many waiting bytes a downstream connection may give back to their senders before they are sent.

use crate::upstream::http2::connection::Memory;

/// Waiting bytes of one downstream connection up to which they are given back to the connection that they came from, if
/// the worker has memory. With more, a connection gets its window back only as its bytes are sent.
const AHEAD_BYTES_MAX: usize = 1024 * 1024;

/// Whether other downstreams use the connection too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership {
    Own,
    /// Its window is given back at once, so that no other exchange waits for this one. The window of the stream bounds it.
    Shared,
}

/// The waiting bytes of one downstream connection that were given back to the connections that they came from.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    bytes: usize,
}

impl ReadAhead {
    /// Whether so many bytes may be given back before they are sent; they are then counted. Those of a shared connection
    /// always are.
    pub(super) fn takes(&mut self, bytes: usize, ownership: Ownership) -> bool {
        let is_within = self.bytes + bytes <= AHEAD_BYTES_MAX && Memory::of_worker() == Memory::Enough;
        let fits = is_within || ownership == Ownership::Shared;
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// The bytes were sent, or dropped.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
