//! Remembers every pod that was heard from: who it is, whether it still reports, and what it has confirmed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::{DashMap, Entry};
use proto::convert::greeting::Greeting;

use crate::fleet::attachment::Attachment;
use crate::fleet::pod::{Pod, SeenPod};
use crate::snapshot::PodState;

pub mod attachment;
pub mod called;
pub mod folds;
pub mod owners;
pub mod pod;
pub mod rate;
pub mod receipts;
pub mod strip;
pub mod tally;

/// Pods remembered at a time. At about 20 kB for a pod with 20 endpoints, the fullest fleet takes 400 MB.
pub const PODS_MAX: usize = 20_000;

/// Services remembered at a time, so that a stranger who invents names does not fill the memory.
pub const SERVICES_MAX: usize = 4096;

/// Every pod, by its uid.
#[derive(Debug)]
pub struct Fleet {
    pods: DashMap<String, Arc<Pod>>,
    /// Namespace and service of every pod there ever was.
    services: DashMap<(String, String), ()>,
    /// All pods by name, until one comes or goes: sorting them for every page would cost more than the page.
    sorted: Mutex<Option<Arc<[Arc<Pod>]>>>,
    forget_after: Duration,
    streams_refused: AtomicU64,
    pods_forgotten: AtomicU64,
    hits_not_kept: AtomicU64,
}

/// Why a pod may not attach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAttached {
    /// A newer process of the same pod has attached before.
    #[error("a newer process of pod {0} is known: this one is not listened to")]
    OldEpoch(String),
    /// A newer stream of the same process has attached before.
    #[error("stream {session} of pod {pod} is not newer than the stream {known} that is known")]
    OldSession {
        /// The pod.
        pod: String,
        /// The stream that was refused.
        session: u32,
        /// The newest one.
        known: u32,
    },
    /// There is no room.
    #[error("{PODS_MAX} pods or {SERVICES_MAX} services are remembered already, which is the limit")]
    Full,
}

impl Fleet {
    /// A fleet without pods, which forgets a pod so long after it was last heard.
    pub fn new(forget_after: Duration) -> Self {
        Self {
            pods: DashMap::new(),
            services: DashMap::new(),
            sorted: Mutex::default(),
            forget_after,
            streams_refused: AtomicU64::new(0),
            pods_forgotten: AtomicU64::new(0),
            hits_not_kept: AtomicU64::new(0),
        }
    }

    /// Takes a stream in, and ends the pod's older one.
    pub fn attach(&self, greeting: Greeting, now_ms: u64) -> Result<Attachment, NotAttached> {
        let attached = self.pod(&greeting, now_ms).and_then(|pod| Attachment::begin(pod, greeting, now_ms));
        match &attached {
            // The pod may be new, or have got another name.
            Ok(_) => self.unsorted(),
            Err(_) => drop(self.streams_refused.fetch_add(1, Ordering::Relaxed)),
        }
        let (attachment, lost_hits) = attached?;
        self.hits_not_kept.fetch_add(lost_hits, Ordering::Relaxed);
        Ok(attachment)
    }

    fn pod(&self, greeting: &Greeting, now_ms: u64) -> Result<Arc<Pod>, NotAttached> {
        let workload = &greeting.workload;
        let service = (workload.namespace.clone(), workload.service.clone());
        if !self.services.contains_key(&service) {
            if self.services.len() >= SERVICES_MAX {
                return Err(NotAttached::Full);
            }
            self.services.insert(service, ());
        }
        let room = self.pods.len() < PODS_MAX;
        match self.pods.entry(workload.pod_uid.clone()) {
            Entry::Occupied(known) => Ok(Arc::clone(known.get())),
            Entry::Vacant(_) if !room => Err(NotAttached::Full),
            Entry::Vacant(place) => Ok(Arc::clone(place.insert(Arc::new(Pod::new(greeting, now_ms))).value())),
        }
    }

    /// Forgets the pods that have been gone for too long. What they counted stays in the timeline's totals.
    pub fn forget(&self, now_ms: u64) {
        let forget_after_ms = self.forget_after.as_millis() as u64;
        let before = self.pods.len();
        self.pods.retain(|_, pod| {
            pod.hold().tally.let_go(now_ms);
            let seen = pod.seen(now_ms);
            let is_gone = seen.state == PodState::Gone && seen.connected_ms.is_none();
            let stays = !is_gone || now_ms.saturating_sub(seen.heard_ms) < forget_after_ms;
            if !stays {
                self.hits_not_kept.fetch_add(pod.hold().tally.hits_not_kept(), Ordering::Relaxed);
            }
            stays
        });
        let forgotten = before.saturating_sub(self.pods.len()) as u64;
        self.pods_forgotten.fetch_add(forgotten, Ordering::Relaxed);
        if forgotten > 0 {
            self.unsorted();
        }
    }

    /// Every pod by name; of those that had the same name, the one that was heard last comes last.
    pub fn pods(&self) -> Arc<[Arc<Pod>]> {
        let mut sorted = self.sorted.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sorted.get_or_insert_with(|| {
            let mut pods: Vec<_> = self.pods.iter().map(|pod| (pod.name(), Arc::clone(pod.value()))).collect();
            pods.sort_by(|(a, _), (b, _)| a.cmp(b));
            pods.into_iter().map(|(_, pod)| pod).collect()
        }))
    }

    fn unsorted(&self) {
        *self.sorted.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The pods of one service, as they are now.
    pub fn pods_of(&self, namespace: &str, service: &str, now_ms: u64) -> Vec<SeenPod> {
        let copies = self.pods.iter().filter(|pod| pod.is_copy_of(namespace, service));
        copies.map(|pod| pod.seen(now_ms)).collect()
    }

    /// Whether a pod of that service was ever heard from.
    pub fn knows(&self, namespace: &str, service: &str) -> bool {
        self.services.contains_key(&(namespace.to_owned(), service.to_owned()))
    }

    /// The services there are, by name, with their namespaces.
    pub fn services(&self) -> BTreeSet<(String, String)> {
        self.services.iter().map(|service| service.key().clone()).collect()
    }

    /// Streams that were refused because a newer one is known, or because there was no room.
    pub fn streams_refused(&self) -> u64 {
        self.streams_refused.load(Ordering::Relaxed)
    }

    /// Hits that processes have reported which ended, or were forgotten, before they brought them to disk.
    pub fn hits_not_kept(&self) -> u64 {
        self.hits_not_kept.load(Ordering::Relaxed)
    }

    /// Pods that were gone for so long that they were forgotten.
    pub fn pods_forgotten(&self) -> u64 {
        self.pods_forgotten.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
