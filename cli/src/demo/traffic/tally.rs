//! Counts the requests sent by service and endpoint, to compare with the counts of the mesh.

use std::collections::BTreeMap;

use mesh::endpoint::Endpoint;

use crate::demo::traffic::call::Call;

/// Requests sent and not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SentCounts {
    /// Requests, by service and endpoint.
    pub(crate) requests: BTreeMap<(String, Endpoint), u64>,
    /// Requests that were not sent, because no connection could be made.
    pub(crate) not_sent: u64,
}

impl SentCounts {
    pub(crate) fn sent(&mut self, call: &Call) {
        *self.requests.entry((call.service.name().to_owned(), call.endpoint.clone())).or_default() += 1;
    }

    pub(crate) fn could_not_send(&mut self) {
        self.not_sent += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (name, requests) in other.requests {
            *self.requests.entry(name).or_default() += requests;
        }
        self.not_sent += other.not_sent;
    }
}
