//! Limits which endpoints get a row of their own, for all workers of a pod together.
//!
//! A client that requests arbitrary paths must not fill the table before real endpoints get their rows:
//!
//! 1. A pinned route gets a row with each of the usual methods, as long as there is one ([`PINNED_MAX`]).
//! 2. Any other route gets one once the service has answered as if it knew it.
//! 3. A 404, 405 or 501, and a client that left before the response, give only a few rows ([`UNKNOWN_MAX`]), enough for a
//!    person to find a mistyped path.
//! 4. When [`OPEN_MAX`] rows are taken, which takes a service that answers any path, the rest goes to routes that are
//!    requested repeatedly.
//!
//! What has no row is counted under `(other)` and not lost. A row is never taken away, so no flood changes its counts; a
//! row whose pin is withdrawn keeps its counts, too. A pin renames and gives no row to what had none. So however often
//! routes are pinned and withdrawn, there are never more rows than the two limits allow.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use mesh::endpoint::Endpoint;
use mesh::golden::CLIENT_GONE;

/// Distinct endpoints per pod, besides pinned ones; the rest share one row, and are visibly counted there. A service
/// rarely has a hundred, and 256 rows of about 2 kB are half a megabyte, which a sidecar can afford.
pub const ENDPOINTS_MAX: usize = 256;

/// Rows for pinned routes: a hundred of them with each of the seven usual methods. With [`ENDPOINTS_MAX`] that leaves
/// some of the 1,024 endpoints that one stream may name, for windows that were named before a pin.
pub const PINNED_MAX: usize = 700;

/// Rows that are given at the first successful response.
pub const OPEN_MAX: usize = 192;

/// Rows for routes that the service does not seem to know.
pub const UNKNOWN_MAX: usize = 16;

/// Successful responses after which a route gets one of the last rows.
pub const ASKED_AGAIN_MIN: u8 = 8;

/// Routes that are watched for repeated requests, in 16 kB.
const CANDIDATES_MAX: usize = 1024;

/// The methods with which a pinned route has a row. Clients can invent any number of others.
const USUAL_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The endpoints that have a row. A worker asks it only about endpoints that the worker does not know.
#[derive(Debug, Default)]
pub struct EndpointLimiter(Mutex<LimiterState>);

#[derive(Debug, Default)]
struct LimiterState {
    admitted: HashSet<Endpoint>,
    /// Rows given for a 404, 405, 501 or an exchange that the client aborted.
    unknown: usize,
    pinned: HashSet<Endpoint>,
    candidates: Vec<Candidate>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy, Default)]
struct Candidate {
    hash: u64,
    asked: u8,
}

/// Why an endpoint may have a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdmitReason {
    /// Its route is pinned.
    Pinned,
    /// The service has answered.
    Answered {
        /// With this status.
        status: u16,
    },
}

/// Whether an endpoint has a row of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It has one, and is counted there.
    Own,
    /// It has none, and is counted under `(other)`.
    Other,
}

impl EndpointLimiter {
    /// Returns whether an endpoint has a row, or gives it one for this reason.
    pub fn admit(&self, endpoint: &Endpoint, reason: AdmitReason) -> Admission {
        self.hold().admit(endpoint, reason)
    }

    /// Renames an endpoint because of a pin. If it has a row, the new name gets it.
    pub fn rename(&self, old: &Endpoint, new: &Endpoint) {
        self.hold().rename(old, new);
    }

    fn hold(&self) -> MutexGuard<'_, LimiterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LimiterState {
    fn admit(&mut self, endpoint: &Endpoint, reason: AdmitReason) -> Admission {
        if self.admitted.contains(endpoint) || self.pinned.contains(endpoint) {
            return Admission::Own;
        }
        match reason {
            AdmitReason::Pinned => {
                if self.pinned.len() >= PINNED_MAX || !USUAL_METHODS.contains(&endpoint.method()) {
                    return Admission::Other;
                }
                self.pinned.insert(endpoint.clone());
            }
            AdmitReason::Answered { status } => {
                let is_known = !matches!(status, 404 | 405 | 501 | CLIENT_GONE);
                let has_room = self.admitted.len() < ENDPOINTS_MAX && (is_known || self.unknown < UNKNOWN_MAX);
                if !has_room || !self.count_request(endpoint) {
                    return Admission::Other;
                }
                self.unknown += usize::from(!is_known);
                self.admitted.insert(endpoint.clone());
            }
        }
        Admission::Own
    }

    fn rename(&mut self, old: &Endpoint, new: &Endpoint) {
        let (was_admitted, was_pinned) = (self.admitted.remove(old), self.pinned.remove(old));
        let keeps_its_place = (was_admitted || was_pinned) && self.admit(new, AdmitReason::Pinned) == Admission::Other;
        if keeps_its_place {
            let place = if was_admitted { &mut self.admitted } else { &mut self.pinned };
            place.insert(new.clone());
        }
    }

    /// Whether any endpoint may have a row, or this one was requested often enough.
    ///
    /// A candidate that collides with another lowers the other's count, and replaces it at zero: so single requests only
    /// slow down repeated ones.
    fn count_request(&mut self, endpoint: &Endpoint) -> bool {
        if self.admitted.len() < OPEN_MAX {
            return true;
        }
        self.candidates.resize(CANDIDATES_MAX, Candidate::default());
        let hash = self.hasher.hash_one(endpoint);
        let candidate = &mut self.candidates[hash as usize % CANDIDATES_MAX];
        if candidate.hash == hash {
            candidate.asked = candidate.asked.saturating_add(1);
        } else if candidate.asked > 1 {
            candidate.asked -= 1;
        } else {
            *candidate = Candidate { hash, asked: 1 };
        }
        candidate.hash == hash && candidate.asked >= ASKED_AGAIN_MIN
    }
}
