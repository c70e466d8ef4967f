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

    /// Whether there is no good reason any more to go on.
    pub(super) fn is_hostile(&self) -> bool {
        self.cancelled.get() > CANCELLED_MAX && self.cancelled.get() > self.asked.get() / 2
    }
}
