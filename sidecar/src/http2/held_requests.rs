//! Requests that a decorator holds, until it lets them pass or answers them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use http2::frame::StreamId;

use crate::decorator::{Hold, Released};
use crate::exchange::error_response;

/// The held requests of one downstream connection. Their number is limited by that of the streams.
#[derive(Default)]
pub(super) struct HeldRequests {
    held: Vec<(StreamId, Hold)>,
}

impl HeldRequests {
    /// Holds a request.
    pub(super) fn push(&mut self, stream: StreamId, hold: Hold) {
        self.held.push((stream, hold));
    }

    /// Takes the next request that is decided, with what becomes of it.
    pub(super) fn poll_decided(&mut self, cx: &mut Context<'_>) -> Option<(StreamId, Released)> {
        for position in 0..self.held.len() {
            let (stream, hold) = &mut self.held[position];
            let polled = catch_unwind(AssertUnwindSafe(|| hold.as_mut().poll(cx)));
            // A decorator that cannot decide lets nothing through.
            if let Poll::Ready(released) =
                polled.unwrap_or_else(|_| Poll::Ready(Released::Answer(error_response::guard_failed())))
            {
                let stream = *stream;
                drop(self.held.swap_remove(position));
                return Some((stream, released));
            }
        }
        None
    }

    /// Forgets a request whose client has left.
    pub(super) fn remove(&mut self, stream: StreamId) {
        self.held.retain(|(held, _)| *held != stream);
    }
}
