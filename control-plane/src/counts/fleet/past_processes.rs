//! Recent counts of the earlier processes of a pod: a pod's row adds up all of its processes.

use std::collections::HashMap;

use mesh::endpoint::Endpoint;

use crate::counts::timeline::recent_minutes::{RecentMinutes, RecentTotals};

/// Recent counts of the processes before the present one.
#[derive(Debug, Default)]
pub(crate) struct PastProcesses {
    /// When the first remembered process started, milliseconds since the Unix epoch.
    since_ms: u64,
    endpoints: HashMap<Endpoint, Box<RecentMinutes>>,
}

impl PastProcesses {
    /// Adds the recent counts of an ended process, with its start.
    pub(crate) fn add(&mut self, (since_ms, endpoints): (u64, Vec<(Endpoint, Box<RecentMinutes>)>)) {
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

    /// Recent counts on an endpoint; `None` if there are none or they are unknown.
    pub(crate) fn recent(&self, endpoint: &Endpoint, now_ms: u64) -> Option<RecentTotals> {
        let recent = self.endpoints.get(endpoint)?.recent(self.since_ms, now_ms);
        (recent.hits > 0).then_some(recent)
    }

    /// Frees the memory of counts that are no longer recent.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        self.endpoints.retain(|_, lately| !lately.is_expired(now_ms));
    }
}
