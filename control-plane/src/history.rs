//! Fetches the recent exchanges of an endpoint from the sidecars of a service, and merges their answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use mesh::workload::Workload;
use proto::convert::pages::FETCHES_MAX;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::counts::fleet::Fleet;
use crate::history::pushed_failures::PushedFailures;
use crate::history::request::{HistoryRequest, HistorySource, RememberedExchange};
use crate::model::pod::PodState;
use crate::model::stream_counts::Count;

pub mod choice;
pub mod pushed_failures;
pub mod request;

/// Readers that may wait for a history at the same time. Each may hold the answers of all pods that
/// it asks.
const READERS_MAX: usize = 16;

/// Pods asked for one reader. Each may send about 30 kB, so one reader holds at most 8 MB.
const PODS_ASKED_MAX: usize = 256;

/// How long a pod may take to answer. The exchanges are in its memory, and a person is waiting.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The open streams, and the readers that wait for answers over them.
#[derive(Debug)]
pub struct Histories {
    listeners: Arc<DashMap<u64, StreamHandle>>,
    streams: AtomicU64,
    readers: Semaphore,
    /// Failures that pods have pushed without a request.
    pub pushed: PushedFailures,
    /// Readers that were refused because too many were waiting.
    pub refused: Count,
    /// Pods that did not answer in time.
    pub unanswered: Count,
}

/// A stream that can be asked.
#[derive(Debug)]
struct StreamHandle {
    workload: Arc<Workload>,
    requests: mpsc::Sender<FetchRequest>,
}

/// One request to one stream. The requester may have stopped waiting for the answer.
#[derive(Debug)]
pub struct FetchRequest {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The limit on exchanges; the newest are returned.
    pub limit: usize,
    /// The channel for the answer.
    pub answer: oneshot::Sender<Vec<Exchange>>,
}

/// The stream's end of the channel. Dropping it unregisters the stream.
#[derive(Debug)]
pub struct RequestReceiver {
    listeners: Arc<DashMap<u64, StreamHandle>>,
    stream: u64,
    requests: mpsc::Receiver<FetchRequest>,
}

/// The merged answers.
#[derive(Debug, Default)]
pub struct GatheredHistory {
    /// The exchanges with the names of their pods, in no particular order.
    pub exchanges: Vec<RememberedExchange>,
    /// The names of the pods that answered.
    pub answered: Vec<Arc<str>>,
    /// The names of the pods that did not answer.
    pub missing: Vec<String>,
    /// Pods that were not asked because there are too many.
    pub not_asked: usize,
}

/// Too many readers are waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{READERS_MAX} readers are already waiting for histories: try again in a second")]
pub struct Busy;

impl Default for Histories {
    fn default() -> Self {
        Self {
            listeners: Arc::default(),
            streams: AtomicU64::new(0),
            readers: Semaphore::new(READERS_MAX),
            pushed: PushedFailures::default(),
            refused: Count::default(),
            unanswered: Count::default(),
        }
    }
}

impl Histories {
    /// Registers a stream over which the pod can be asked.
    pub fn listen(&self, workload: Arc<Workload>) -> RequestReceiver {
        let stream = self.streams.fetch_add(1, Ordering::Relaxed);
        let (sender, requests) = mpsc::channel(FETCHES_MAX);
        self.listeners.insert(stream, StreamHandle { workload, requests: sender });
        RequestReceiver { listeners: Arc::clone(&self.listeners), stream, requests }
    }

    /// Asks every pod of the service, and waits at most `ANSWER_WITHIN` for all of them together.
    pub async fn gather(&self, wanted: &HistoryRequest<'_>, fleet: &Fleet, now_ms: u64) -> Result<GatheredHistory, Busy> {
        let Ok(_reader) = self.readers.try_acquire() else {
            self.refused.up();
            return Err(Busy);
        };
        let mut merged = GatheredHistory::default();
        let mut asked = Vec::new();
        let open = self.open_streams(wanted);
        merged.not_asked = open.len().saturating_sub(PODS_ASKED_MAX);
        let until = Instant::now() + ANSWER_WITHIN;
        for (pod, (_, requests)) in open.iter().take(PODS_ASKED_MAX) {
            let (answer, answered) = oneshot::channel();
            // A stream with a full queue does not answer in time either.
            let _ = requests.try_send(FetchRequest { endpoint: wanted.endpoint.clone(), limit: wanted.limit, answer });
            asked.push((Arc::<str>::from(pod.as_str()), answered));
        }
        for (pod, answered) in asked {
            match tokio::time::timeout_at(until, answered).await {
                Ok(Ok(exchanges)) => {
                    let of_pod =
                        |exchange| RememberedExchange { pod: Arc::clone(&pod), exchange, source: HistorySource::Fetched };
                    merged.exchanges.extend(exchanges.into_iter().map(of_pod));
                    merged.answered.push(pod);
                }
                _ => merged.missing.push(pod.to_string()),
            }
        }
        for silent in fleet.pods_of(wanted.namespace, wanted.service, now_ms) {
            let name = &silent.workload.pod;
            let is_wanted = wanted.pod.is_none_or(|pod| pod == name);
            if is_wanted && silent.state != PodState::Gone && !open.contains_key(name) {
                merged.missing.push(name.clone());
            }
        }
        merged.exchanges.extend(self.pushed.for_request(wanted, &merged.answered));
        merged.missing.iter().for_each(|_| self.unanswered.up());
        merged.missing.sort_unstable();
        Ok(merged)
    }

    /// Returns the streams of the requested pods by pod name. If a pod has two streams, the newer
    /// one is used.
    fn open_streams(&self, wanted: &HistoryRequest<'_>) -> BTreeMap<String, (u64, mpsc::Sender<FetchRequest>)> {
        let mut open = BTreeMap::<String, (u64, mpsc::Sender<FetchRequest>)>::new();
        for listener in self.listeners.iter() {
            let (stream, StreamHandle { workload, requests }) = listener.pair();
            let is_of_service = workload.service == wanted.service && workload.namespace == wanted.namespace;
            if !is_of_service || wanted.pod.is_some_and(|pod| pod != workload.pod) {
                continue;
            }
            let newest = open.entry(workload.pod.clone()).or_insert_with(|| (*stream, requests.clone()));
            if newest.0 < *stream {
                *newest = (*stream, requests.clone());
            }
        }
        open
    }
}

impl RequestReceiver {
    /// Returns the next request. Cancel-safe: dropping the future loses no request.
    pub async fn next(&mut self) -> Option<FetchRequest> {
        self.requests.recv().await
    }
}

impl Drop for RequestReceiver {
    fn drop(&mut self) {
        self.listeners.remove(&self.stream);
    }
}

#[cfg(test)]
mod tests;
