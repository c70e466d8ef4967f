//! Remembers every pod that was heard from: who it is, whether it still reports, and what it has confirmed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::multiple::RefMulti;
use mesh::endpoint::Endpoint;
use proto::convert::greeting::Greeting;

use crate::fleet::attachment::Attachment;
use crate::fleet::claims::Claim;
use crate::fleet::forgotten::Forgotten;
use crate::fleet::losses::Losses;
use crate::fleet::pod::{Pod, SeenPod};
use crate::fleet::roster::Roster;
use crate::memory::Budget;
use crate::store::chronicle::Process;
use crate::timeline::lately::Recent;

pub mod attachment;
mod before;
pub mod called;
mod claims;
pub mod folds;
mod forgotten;
mod losses;
pub mod owners;
pub mod pod;
pub mod rate;
pub mod receipts;
pub mod roster;
pub mod skew;
pub mod strip;
pub mod tally;

/// Pods remembered at a time, however much memory there is. At about 20 kB for a pod with 20 endpoints, they take 400 MB.
pub const PODS_MAX: usize = 20_000;

/// Services remembered at a time, so that a stranger who invents names does not fill the memory.
pub const SERVICES_MAX: usize = 4096;

/// Every pod, by who claims to be it.
#[derive(Debug)]
pub struct Fleet {
    pods: DashMap<Claim, Arc<Pod>>,
    /// Namespace and service of every pod there ever was, those in the record too, as far as there is room.
    services: DashMap<(String, String), ()>,
    /// All pods by name, until one comes or goes: sorting them for every page would cost more than the page.
    sorted: Mutex<Option<Arc<Roster>>>,
    forget_after: Duration,
    forgotten: Forgotten,
    budget: Budget,
    streams_refused: AtomicU64,
    pods_forgotten: AtomicU64,
    losses: Losses,
    /// Whether several processes may claim one uid now, so that it is worth a look when a stream ends.
    has_rivals: AtomicBool,
}

/// Why a pod may not attach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAttached {
    /// Another process reports under the same uid, so this one gets an entry of its own.
    #[error("another process reports as pod {0}")]
    Claimed(String),
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
    #[error("as many pods as there is memory for, or {SERVICES_MAX} services, are remembered already")]
    Full,
}

impl Fleet {
    /// A fleet without pods, which forgets a pod so long after it was last heard.
    pub fn new(forget_after: Duration) -> Self {
        Self::within(Budget::default(), forget_after)
    }

    /// The same within a budget of memory.
    pub fn within(budget: Budget, forget_after: Duration) -> Self {
        Self {
            budget,
            pods: DashMap::new(),
            services: DashMap::new(),
            sorted: Mutex::default(),
            forget_after,
            forgotten: Forgotten::with(budget.forgotten_bytes()),
            streams_refused: AtomicU64::new(0),
            pods_forgotten: AtomicU64::new(0),
            losses: Losses::default(),
            has_rivals: AtomicBool::new(false),
        }
    }

    /// The memory that this control plane may use.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Takes a stream in, and ends the pod's older one.
    pub fn attach(&self, greeting: Greeting, now_ms: u64) -> Result<Attachment, NotAttached> {
        let attached = self.begin(greeting, now_ms);
        match &attached {
            // The pod may be new, or have got another name.
            Ok(_) => self.unsorted(),
            Err(_) => drop(self.streams_refused.fetch_add(1, Ordering::Relaxed)),
        }
        let (attachment, before) = attached?;
        if let Some((process, tally)) = before {
            self.end(process, tally);
        }
        self.end_rivals();
        Ok(attachment)
    }

    /// Services are remembered after their last pod, so that rules can be made for them, as long as others need no room.
    fn has_room_for_services(&self) -> bool {
        if self.services.len() >= SERVICES_MAX {
            let with_pods: HashSet<_> = self.pods.iter().map(|pod| pod.service()).collect();
            self.services.retain(|service, ()| with_pods.contains(service));
        }
        self.services.len() < SERVICES_MAX
    }

    /// Pods that are gone are remembered for a while, as long as others need no room: then half of them go, those that were
    /// heard longest ago.
    fn has_room_for_pods(&self, now_ms: u64) -> bool {
        if self.pods.len() >= self.budget.pods() {
            let mut gone_ms: Vec<u64> = self.pods.iter().filter_map(|pod| pod.gone_ms(now_ms)).collect();
            let middle = gone_ms.len() / 2;
            if middle < gone_ms.len() {
                let after_ms = *gone_ms.select_nth_unstable(middle).1;
                self.forget_after(after_ms, now_ms);
            }
        }
        self.pods.len() < self.budget.pods()
    }

    /// Forgets the pods that have been gone for too long. What they counted stays in the timeline's totals.
    pub fn forget(&self, now_ms: u64) {
        self.forget_after(self.forget_after.as_millis() as u64, now_ms);
    }

    fn forget_after(&self, after_ms: u64, now_ms: u64) {
        // Counted one by one: pods come while others are forgotten, so the fleet may be as large as before.
        let mut forgotten = 0_u64;
        let contested = self.contested(now_ms);
        self.pods.retain(|claim, pod| {
            pod.let_go(now_ms);
            // Of two claims to a uid, the one that is gone needs no memory besides the other.
            let after_ms = if contested.contains(&claim.pod_uid) { 0 } else { after_ms };
            let stays = pod.gone_ms(now_ms).is_none_or(|gone_ms| gone_ms < after_ms);
            if !stays {
                forgotten += 1;
                let (epoch, mut tally) = pod.retire();
                // After so long nothing of it is on its way to the disk any more, unless that has been full all the time.
                self.losses.add(tally.retire());
                self.forgotten.remember(Process { pod_uid: claim.pod_uid.clone(), epoch }, tally);
            }
            stays
        });
        self.settle_losses();
        self.pods_forgotten.fetch_add(forgotten, Ordering::Relaxed);
        if forgotten > 0 {
            self.unsorted();
        }
    }

    /// Every pod by name; of those that had the same name, the one that was heard last when a pod came or went comes last.
    pub fn pods(&self) -> Arc<Roster> {
        let mut sorted = self.sorted.lock().unwrap_or_else(PoisonError::into_inner);
        let sort = || Arc::new(Roster::of(self.pods.iter().map(|pod| Arc::clone(pod.value()))));
        Arc::clone(sorted.get_or_insert_with(sort))
    }

    /// What each pod of a service did lately on an endpoint, by name, over all its processes.
    pub fn lately(&self, (namespace, service): (&str, &str), endpoint: &Endpoint, now_ms: u64) -> HashMap<String, Recent> {
        let mut lately: HashMap<String, Recent> = HashMap::new();
        for (pod, recent) in self.pods().processes(namespace, service).filter_map(|pod| pod.lately(endpoint, now_ms)) {
            lately.entry(pod).or_default().merge(&recent);
        }
        lately
    }

    /// A stream has ended: its pod may be replaced by one that is there.
    pub fn detached(&self) {
        self.end_rivals();
        self.unsorted();
    }

    fn unsorted(&self) {
        *self.sorted.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The pods of one service, as they are now.
    pub fn pods_of(&self, namespace: &str, service: &str, now_ms: u64) -> Vec<SeenPod> {
        self.copies_of(namespace, service).iter().map(|pod| pod.seen(now_ms)).collect()
    }

    /// The pods of one service.
    pub fn copies_of(&self, namespace: &str, service: &str) -> Vec<Arc<Pod>> {
        let roster = self.pods();
        let places = roster.copies(namespace, service).map_or(&[][..], |copies| &copies.places);
        places.iter().map(|place| Arc::clone(&roster[*place])).collect()
    }

    /// The processes that are attached, and those whose stream has broken lately without a goodbye.
    pub fn attached(&self, now_ms: u64) -> Vec<Process> {
        let process = |pod: RefMulti<'_, Claim, Arc<Pod>>| {
            pod.attached_epoch(now_ms).map(|epoch| Process { pod_uid: pod.key().pod_uid.clone(), epoch })
        };
        self.pods.iter().filter_map(process).collect()
    }

    /// How many those are, and the sum of their epochs: other processes have another sum, for epochs are nanoseconds.
    pub fn attached_digest(&self, now_ms: u64) -> (usize, u64) {
        let epochs = self.pods.iter().filter_map(|pod| pod.attached_epoch(now_ms));
        epochs.fold((0, 0), |(count, sum), epoch| (count + 1, sum.wrapping_add(epoch)))
    }

    /// Whether a pod of that service was ever heard from, by this process or as far as the record reaches.
    pub fn knows(&self, namespace: &str, service: &str) -> bool {
        self.services.contains_key(&(namespace.to_owned(), service.to_owned()))
    }

    /// These services are known from the record: rules can be made for them before any of their pods is back.
    pub fn recall(&self, services: impl IntoIterator<Item = (String, String)>) {
        for service in services {
            if self.services.len() >= SERVICES_MAX {
                return;
            }
            self.services.insert(service, ());
        }
    }

    /// The services there are, by name, with their namespaces.
    pub fn services(&self) -> BTreeSet<(String, String)> {
        self.services.iter().map(|service| service.key().clone()).collect()
    }

    /// Streams that were refused because a newer one is known, or because there was no room.
    pub fn streams_refused(&self) -> u64 {
        self.streams_refused.load(Ordering::Relaxed)
    }

    /// Takes what is lost out of the totals, of those processes that have ended since, and of which nothing is on its way to
    /// disk any more. Whoever is about to read totals does so first.
    pub fn settle_losses(&self) {
        self.losses.hits();
    }

    /// Hits that processes have reported which ended, or were forgotten, before they brought them to disk.
    pub fn hits_not_kept(&self) -> u64 {
        self.losses.hits()
    }

    /// Pods that were gone for so long that they were forgotten.
    pub fn pods_forgotten(&self) -> u64 {
        self.pods_forgotten.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
