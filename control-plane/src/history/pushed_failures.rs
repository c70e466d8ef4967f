//! Failures that pods push by themselves: they remain visible when a pod cannot be asked any more.

use std::collections::VecDeque;
use std::sync::Arc;

use dashmap::DashMap;
use mesh::endpoint::Endpoint;
use mesh::exchange::{Exchange, Outcome};
use mesh::workload::Workload;
use proto::convert::exchanges;

use crate::history::request::{HistoryRequest, HistorySource, RememberedExchange};
use crate::model::stream_counts::Count;

/// Exchanges kept per endpoint, over all pods. A pod that is about to die rarely sends more.
const KEPT_MAX: usize = 16;

/// Endpoints with kept exchanges. With the longest paths these are 40 MB.
const ENDPOINTS_MAX: usize = 4096;

/// At the endpoint limit, entries this old are removed: an hour, in milliseconds.
const OLD_AFTER_MS: u64 = 3_600_000;

/// Pushed failures by namespace, service and endpoint.
#[derive(Debug, Default)]
pub struct PushedFailures {
    entries: DashMap<(String, String, Endpoint), PushedFailure>,
    /// Exchanges that were dropped at the endpoint limit.
    pub no_room: Count,
}

#[derive(Debug, Default)]
struct PushedFailure {
    exchanges: VecDeque<PushedExchange>,
    pushed_ms: u64,
}

/// An exchange as a pod sends it, in a third of the memory that it takes decoded.
#[derive(Debug)]
struct PushedExchange {
    pod: Arc<str>,
    started_ms: u64,
    /// Of a later version it may be one that the encoding does not have.
    outcome: Outcome,
    packed: Box<[u8]>,
}

impl PushedExchange {
    fn new(pod: &Arc<str>, exchange: &Exchange) -> Self {
        let (pod, packed) = (Arc::clone(pod), exchanges::packed(exchange));
        Self { pod, started_ms: exchange.started_ms, outcome: exchange.outcome, packed }
    }

    fn decoded(&self) -> RememberedExchange {
        let unpacked = exchanges::unpacked(&self.packed).expect("it was packed here");
        let exchange = Exchange { outcome: self.outcome, ..unpacked };
        RememberedExchange { pod: Arc::clone(&self.pod), exchange, source: HistorySource::Pushed }
    }
}

impl PushedFailures {
    /// Stores what a pod has pushed; the oldest exchanges make room.
    pub fn record(&self, pod: &Workload, endpoint: Endpoint, exchanges: Vec<Exchange>, now_ms: u64) {
        let key = (pod.namespace.clone(), pod.service.clone(), endpoint);
        if self.entries.len() >= ENDPOINTS_MAX && !self.entries.contains_key(&key) {
            self.entries.retain(|_, entries| now_ms.saturating_sub(entries.pushed_ms) < OLD_AFTER_MS);
            if self.entries.len() >= ENDPOINTS_MAX {
                return exchanges.iter().for_each(|_| self.no_room.up());
            }
        }
        let name = Arc::<str>::from(pod.pod.as_str());
        let mut entries = self.entries.entry(key).or_default();
        entries.pushed_ms = now_ms;
        let places = KEPT_MAX - entries.exchanges.len();
        entries.exchanges.reserve_exact(exchanges.len().min(places));
        for exchange in exchanges {
            if entries.exchanges.len() >= KEPT_MAX {
                entries.exchanges.pop_front();
            }
            entries.exchanges.push_back(PushedExchange::new(&name, &exchange));
        }
    }

    /// Returns the pushed failures of an endpoint, except from pods that have answered now.
    pub fn for_request(&self, request: &HistoryRequest<'_>, answered: &[Arc<str>]) -> Vec<RememberedExchange> {
        let key = (request.namespace.to_owned(), request.service.to_owned(), request.endpoint.clone());
        let Some(entries) = self.entries.get(&key) else { return Vec::new() };
        let is_news =
            |pushed: &&PushedExchange| !answered.contains(&pushed.pod) && request.pod.is_none_or(|pod| *pod == *pushed.pod);
        entries.exchanges.iter().filter(is_news).map(PushedExchange::decoded).collect()
    }

    /// Calls `see` with each pushed failure that began at `from_ms` or later.
    pub fn each_since(&self, from_ms: u64, mut see: impl FnMut((&str, &str, &Endpoint), &RememberedExchange)) {
        for entry in self.entries.iter().filter(|entry| entry.pushed_ms >= from_ms) {
            let (namespace, service, endpoint) = entry.key();
            let since = entry.exchanges.iter().filter(|pushed| pushed.started_ms >= from_ms);
            since.for_each(|pushed| see((namespace, service, endpoint), &pushed.decoded()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Workload {
        Workload {
            namespace: "default".into(),
            service: "shop".into(),
            pod: name.into(),
            pod_uid: name.into(),
            node: String::new(),
            addresses: vec![],
            version: String::new(),
        }
    }

    fn endpoint(route: &str) -> Endpoint {
        Endpoint::named("GET", route).unwrap()
    }

    fn pushed(pushed: &PushedFailures, route: &str, answered: &[Arc<str>]) -> Vec<(String, u64)> {
        let endpoint = endpoint(route);
        let request = HistoryRequest { namespace: "default", service: "shop", endpoint: &endpoint, pod: None, limit: 10 };
        pushed
            .for_request(&request, answered)
            .into_iter()
            .map(|pushed| (pushed.pod.to_string(), pushed.exchange.started_ms))
            .collect()
    }

    #[test]
    fn only_those_who_cannot_be_asked_are_spoken_for() {
        let all = PushedFailures::default();
        let exchange = |started_ms| Exchange { started_ms, ..Exchange::default() };
        all.record(&pod("shop-1"), endpoint("/a"), vec![exchange(1), exchange(2)], 0);
        all.record(&pod("shop-2"), endpoint("/a"), vec![exchange(3)], 0);
        assert_eq!(pushed(&all, "/a", &["shop-1".into()]), [("shop-2".into(), 3)]);
        assert_eq!(pushed(&all, "/b", &[]), []);
        all.record(&pod("shop-2"), endpoint("/a"), (10..40).map(exchange).collect(), 0);
        let entries = pushed(&all, "/a", &[]);
        assert_eq!((entries.len(), entries[0].1, entries[15].1), (16, 24, 39), "the newest ones");
    }

    #[test]
    fn endpoints_are_bounded_and_what_is_old_makes_room() {
        let all = PushedFailures::default();
        let keep = |at: usize, now_ms| all.record(&pod("shop-1"), endpoint(&format!("/{at}")), vec![Exchange::default()], now_ms);
        (0..=ENDPOINTS_MAX).for_each(|at| keep(at, 1));
        assert_eq!((all.entries.len(), all.no_room.so_far()), (ENDPOINTS_MAX, 1));
        keep(0, OLD_AFTER_MS);
        keep(ENDPOINTS_MAX, OLD_AFTER_MS + 1);
        assert_eq!((all.entries.len(), all.no_room.so_far()), (2, 1));
    }
}
