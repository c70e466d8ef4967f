//! The streams of a connection: the open ones, and which closed ones may still receive frames.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use crate::flow::{ReceiveWindow, SendWindow};
use crate::frame::{EndStream, StreamId};
use crate::message::Method;
use crate::message::content::Content;

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) receiving: Receiving,
    pub(crate) sending: Sending,
    pub(crate) send_window: SendWindow,
    pub(crate) receive_window: ReceiveWindow,
    /// What the received head promises.
    pub(crate) content: Content,
    /// The method of our request, if we are the client.
    pub(crate) asked: Method,
    /// `send_data` was cut short by this stream's window.
    pub(crate) is_blocked: bool,
}

/// What the peer sends next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiving {
    /// A response's head.
    Head,
    /// DATA or trailers.
    Content,
    /// DATA or trailers that are not reported, after a head over the limit.
    Discarded,
    /// Nothing: half-closed (remote).
    Ended,
}

/// What we send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// A response's head.
    Head,
    /// DATA or trailers.
    Content,
    /// Nothing: half-closed (local).
    Ended,
}

/// Why a stream is not open (RFC 9113, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// No frame has opened it. Below the last stream, it can no longer be opened.
    Idle,
    /// We have reset it, perhaps before the peer sent this frame. The frame is ignored.
    Reset,
    /// The peer has ended or reset it, and must not send on it.
    Closed,
}

/// A map by stream.
pub type StreamMap<T> = HashMap<StreamId, T, BuildHasherDefault<StreamHasher>>;

/// The streams of a connection.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: StreamMap<Stream>,
    /// The highest stream that the client has opened. Only clients open streams, because push is off.
    last: u32,
    /// The streams that `last` has skipped most recently. They were never open.
    skipped: Range<u32>,
    resets: VecDeque<StreamId>,
    /// The highest reset stream that is no longer in `resets`. Any closed stream up to it may have been reset.
    resets_forgotten: u32,
}

impl Streams {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Frees the memory of closed streams.
    pub(crate) fn shrink(&mut self) {
        self.open.shrink_to_fit();
    }

    /// The highest stream opened.
    pub(crate) fn last(&self) -> StreamId {
        StreamId(self.last)
    }

    /// Notes that the client has opened `stream`, and with it closed all lower idle ones (section 5.1.1).
    pub(crate) fn advance(&mut self, stream: StreamId) {
        if stream.0 > self.last + 2 {
            self.skipped = self.last + 1..stream.0;
        }
        self.last = stream.0;
    }

    pub(crate) fn insert(&mut self, id: StreamId, stream: Stream) {
        self.open.insert(id, stream);
    }

    pub(crate) fn contains(&self, stream: StreamId) -> bool {
        self.open.contains_key(&stream)
    }

    pub(crate) fn get(&mut self, stream: StreamId) -> Option<&mut Stream> {
        self.open.get_mut(&stream)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.open.values_mut()
    }

    /// Removes a stream that the peer closed.
    pub(crate) fn remove(&mut self, stream: StreamId) -> Option<Stream> {
        self.open.remove(&stream)
    }

    /// Removes a stream that we reset, and remembers up to `remembered` of them.
    pub(crate) fn reset(&mut self, stream: StreamId, remembered: usize) {
        self.open.remove(&stream);
        self.resets.push_back(stream);
        if self.resets.len() > remembered {
            let forgotten = self.resets.pop_front().map_or(0, |stream| stream.0);
            self.resets_forgotten = self.resets_forgotten.max(forgotten);
        }
    }

    /// Ends the peer's part of a stream. If both parts have ended, the stream is closed.
    pub(crate) fn end_receiving(&mut self, id: StreamId) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.receiving = Receiving::Ended;
            if stream.sending == Sending::Ended {
                self.open.remove(&id);
            }
        }
    }

    /// Notes what was sent. If both parts have ended, the stream is closed.
    pub(crate) fn sent(&mut self, id: StreamId, end: EndStream) {
        let Some(stream) = self.open.get_mut(&id) else { return };
        stream.sending = match end {
            EndStream::No => Sending::Content,
            EndStream::Yes => Sending::Ended,
        };
        if (stream.sending, stream.receiving) == (Sending::Ended, Receiving::Ended) {
            self.open.remove(&id);
        }
    }

    /// Removes the streams above `last`, and returns them in order.
    pub(crate) fn take_above(&mut self, last: StreamId) -> Vec<StreamId> {
        let mut above: Vec<StreamId> = self.open.keys().copied().filter(|stream| *stream > last).collect();
        above.sort_unstable();
        for stream in &above {
            self.open.remove(stream);
        }
        above
    }

    /// Why `stream` is not open.
    pub(crate) fn absent(&self, stream: StreamId) -> Absent {
        match stream {
            // Servers open no streams, so even identifiers stay idle.
            StreamId(id) if id > self.last || id % 2 == 0 || self.skipped.contains(&id) => Absent::Idle,
            StreamId(id) if id <= self.resets_forgotten || self.resets.contains(&stream) => Absent::Reset,
            _ => Absent::Closed,
        }
    }
}

/// A hash of few instructions. Collisions that a peer arranges are bounded by the number of open streams.
#[derive(Debug, Default)]
pub struct StreamHasher(u64);

impl Hasher for StreamHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        let product = (u64::from(id) ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }
}
