//! Counters of rare events, shared by all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mesh::refusal::{RefusalReason, Refusals};

use crate::recorder::endpoint_limiter::EndpointLimiter;

/// The counters of all workers together.
#[derive(Debug, Default)]
pub struct SharedCounters {
    /// Limits which endpoints have a row of their own.
    pub endpoint_limiter: Arc<EndpointLimiter>,
    /// Requests that were refused before they had an endpoint, by reason.
    refused: [AtomicU64; RefusalReason::EACH.len()],
    /// Connections refused because there were too many.
    pub overloaded: AtomicU64,
    /// Decorator hooks that panicked.
    pub panics: AtomicU64,
    /// Whether the service speaks HTTP. Bytes that are not HTTP are then refused instead of tunnelled.
    pub speaks_http: AtomicBool,
    /// Whether the service sends first, and not in HTTP. The sidecar then connects to it immediately.
    pub speaks_first: AtomicBool,
}

impl SharedCounters {
    /// Counts a refused request.
    pub fn count_refused(&self, reason: RefusalReason) {
        Self::count(&self.refused[reason as usize]);
    }

    /// The requests refused so far.
    pub fn refusals(&self) -> Refusals {
        let mut refusals = Refusals::default();
        for reason in RefusalReason::EACH {
            refusals[reason] = self.refused[reason as usize].load(Ordering::Relaxed);
        }
        refusals
    }

    /// Increments a counter.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
