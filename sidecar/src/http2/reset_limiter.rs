//! Detects downstreams that cancel most of their requests on an HTTP/2 connection.

use std::cell::Cell;

/// Requests that a downstream may cancel before the ratio to all its requests is checked. A user who closes
/// a page cancels a dozen.
const CANCELLED_MAX: u32 = 200;

/// Counts the requests of a connection and how they ended.
///
/// All downstreams share one connection to the service. The service counts the requests that the sidecar
/// cancels on behalf of a downstream. A downstream that cancels without limit would make the service close
/// that connection for everyone.
#[derive(Debug, Default)]
pub(super) struct ResetLimiter {
    requests: Cell<u32>,
    cancelled: Cell<u32>,
    malformed: Cell<u32>,
    reset_by_service: Cell<u32>,
}

impl ResetLimiter {
    /// Counts a request.
    pub(super) fn count_request(&self) {
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// Whether any request has arrived.
    pub(super) fn has_requests(&self) -> bool {
        self.requests.get() > 0
    }

    /// Counts a request that was cancelled before its response.
    pub(super) fn count_cancelled(&self) {
        self.cancelled.set(self.cancelled.get().saturating_add(1));
    }

    /// Counts a stream reset as malformed, unless the service reset it first and the reset was only forwarded.
    pub(super) fn count_malformed(&self) {
        match self.reset_by_service.get().checked_sub(1) {
            Some(left) => self.reset_by_service.set(left),
            None => self.malformed.set(self.malformed.get().saturating_add(1)),
        }
    }

    /// Notes that the service reset a stream as malformed. The downstream's stream will be reset too and must not count.
    pub(super) fn expect_malformed(&self) {
        self.reset_by_service.set(self.reset_by_service.get().saturating_add(1));
    }

    /// Returns how many streams the library has reset as malformed since the last call.
    pub(super) fn take_malformed(&self) -> u32 {
        self.malformed.take()
    }

    /// Whether the connection should be closed for abuse.
    pub(super) fn is_hostile(&self) -> bool {
        self.cancelled.get() > CANCELLED_MAX && self.cancelled.get() > self.requests.get() / 2
    }
}
