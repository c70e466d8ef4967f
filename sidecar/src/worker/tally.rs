//! Counts what happens so rarely that all workers may count it in one place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mesh::refusal::{Reason, Refusals};

use crate::recorder::register::Register;

/// The counts of all workers together.
#[derive(Debug, Default)]
pub struct Tally {
    /// Which endpoints have a row of their own.
    pub register: Arc<Register>,
    /// Requests that were refused before they had an endpoint, by reason.
    refused: [AtomicU64; Reason::EACH.len()],
    /// Connections turned away because there were too many.
    pub overloaded: AtomicU64,
    /// Hooks of decorators that panicked.
    pub panics: AtomicU64,
    /// Whether the service was seen to speak HTTP. Then bytes that are none are refused, and never tunnelled unseen.
    pub speaks_http: AtomicBool,
    /// Whether the service was heard to speak first, and not HTTP. Then it is dialled at once.
    pub speaks_first: AtomicBool,
}

impl Tally {
    /// A request was refused.
    pub fn count_refused(&self, reason: Reason) {
        Self::count(&self.refused[reason as usize]);
    }

    /// Requests that were refused so far.
    pub fn refusals(&self) -> Refusals {
        let mut refusals = Refusals::default();
        for reason in Reason::EACH {
            refusals[reason] = self.refused[reason as usize].load(Ordering::Relaxed);
        }
        refusals
    }

    /// Adds one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
