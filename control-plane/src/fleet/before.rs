//! What the processes of a pod did lately that ran before its present one: a pod's row adds up all of them.

use std::collections::HashMap;

use mesh::endpoint::Endpoint;

use crate::timeline::lately::{Lately, Recent};

/// The processes before the present one.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// Since when the first of them ran that is remembered, milliseconds since the Unix epoch.
    since_ms: u64,
    endpoints: HashMap<Endpoint, Box<Lately>>,
}

impl Before {
    /// A process that ran since then has ended.
    pub(crate) fn add(&mut self, (since_ms, endpoints): (u64, Vec<(Endpoint, Box<Lately>)>)) {
        if endpoints.is_empty() {
            return;
        }
        self.since_ms = if self.endpoints.is_empty() { since_ms } else { self.since_ms.min(since_ms) };
        for (endpoint, lately) in endpoints {
            match self.endpoints.get_mut(&endpoint) {
                Some(known) => known.merge(&lately),
                None => drop(self.endpoints.insert(endpoint, lately)),
            }
        }
    }

    /// What they did lately on an endpoint; `None` if that was nothing, or is not known.
    pub(crate) fn lately(&self, endpoint: &Endpoint, now_ms: u64) -> Option<Recent> {
        let recent = self.endpoints.get(endpoint)?.recent(self.since_ms, now_ms);
        (recent.hits > 0).then_some(recent)
    }

    /// Gives back the room of what was a while ago.
    pub(crate) fn let_go(&mut self, now_ms: u64) {
        self.endpoints.retain(|_, lately| !lately.is_over(now_ms));
    }
}
