//! How a downstream behaves on one connection of HTTP/2: whether it takes back most of what it asks for.

use std::cell::Cell;

/// Requests that a downstream may take back before it is looked at how many it let stand.
/// A user who closes a page takes back a dozen.
const CANCELLED_MAX: u32 = 200;

/// What was asked for on a connection.
///
/// All connections share one to the service, which counts the requests that we take back in the downstream's name:
/// somebody who asks and takes back without end would have it closed for everybody.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    asked: Cell<u32>,
    cancelled: Cell<u32>,
    malformed: Cell<u32>,
    reset_by_service: Cell<u32>,
}

impl Conduct {
    /// A request has come.
    pub(super) fn asked(&self) {
        self.asked.set(self.asked.get().saturating_add(1));
    }

    /// Whether any request has come.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.get() > 0
    }

    /// A request was taken back before it was answered.
    pub(super) fn cancelled(&self) {
        self.cancelled.set(self.cancelled.get().saturating_add(1));
    }

    /// A stream was reset as malformed: by the library, or by the service and passed on.
    pub(super) fn reset_as_malformed(&self) {
        match self.reset_by_service.get().checked_sub(1) {
            Some(left) => self.reset_by_service.set(left),
            None => self.malformed.set(self.malformed.get().saturating_add(1)),
        }
    }

    /// The service has reset a stream as malformed, and the downstream's will be reset alike.
    pub(super) fn will_reset_as_malformed(&self) {
        self.reset_by_service.set(self.reset_by_service.get().saturating_add(1));
    }

    /// How many streams the library has reset as malformed since the last call.
    pub(super) fn take_malformed(&self) -> u32 {
        self.malformed.take()
    }

    /// Whether there is no good reason any more to go on.
    pub(super) fn is_hostile(&self) -> bool {
        self.cancelled.get() > CANCELLED_MAX && self.cancelled.get() > self.asked.get() / 2
    }
}
