//! Tracks every pod that has attached: its identity, whether it still reports, and the rules that it has confirmed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::multiple::RefMulti;
use mesh::endpoint::Endpoint;
use proto::convert::greeting::Greeting;

use crate::counts::fleet::evicted_processes::EvictedProcesses;
use crate::counts::fleet::losses::Losses;
use crate::counts::fleet::not_attached::NotAttached;
use crate::counts::fleet::pod::{Pod, PodView};
use crate::counts::fleet::pod_index::PodIndex;
use crate::counts::fleet::stream_session::StreamSession;
use crate::counts::fleet::uid_claim::UidClaim;
use crate::counts::memory::Budget;
use crate::counts::timeline::recent_minutes::RecentTotals;
use crate::model::limits::SERVICES_MAX;
use crate::store::metrics_store::Process;

pub mod address_index;
mod claims;
pub mod endpoint_callers;
mod evicted_processes;
mod losses;
pub mod not_attached;
mod past_processes;
pub mod pin_aliases;
pub mod pod;
pub mod pod_index;
pub mod process_counts;
pub mod rate;
pub mod receipts;
pub mod resource_history;
pub mod skew;
pub mod stream_session;
mod uid_claim;

/// All known pods, keyed by the claim to their uid.
#[derive(Debug)]
pub struct Fleet {
    pods: DashMap<UidClaim, Arc<Pod>>,
    /// Namespace and service of every pod seen so far, and of those in the store, up to
    /// [`SERVICES_MAX`].
    services: DashMap<(String, String), ()>,
    /// All pods sorted by name, cached until one comes or goes: sorting them for every page would
    /// cost more than the page.
    index: Mutex<Option<Arc<PodIndex>>>,
    forget_after: Duration,
    evicted: EvictedProcesses,
    budget: Budget,
    streams_refused: AtomicU64,
    pods_forgotten: AtomicU64,
    losses: Losses,
    /// Whether several processes may claim one uid now. Only then does the end of a stream need a
    /// check.
    has_rivals: AtomicBool,
}

impl Fleet {
    /// A fleet without pods that forgets a pod `forget_after` its last message.
    pub fn new(forget_after: Duration) -> Self {
        Self::with_budget(Budget::default(), forget_after)
    }

    /// The same, within a memory budget.
    pub fn with_budget(budget: Budget, forget_after: Duration) -> Self {
        Self {
            budget,
            pods: DashMap::new(),
            services: DashMap::new(),
            index: Mutex::default(),
            forget_after,
            evicted: EvictedProcesses::new(budget.evicted_bytes()),
            streams_refused: AtomicU64::new(0),
            pods_forgotten: AtomicU64::new(0),
            losses: Losses::default(),
            has_rivals: AtomicBool::new(false),
        }
    }

    /// The memory budget of this control plane.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Attaches a stream and cancels the pod's older one.
    pub fn attach(&self, greeting: Greeting, now_ms: u64) -> Result<StreamSession, NotAttached> {
        let attached = self.begin(greeting, now_ms);
        match &attached {
            // The pod may be new, or may have a new name.
            Ok(_) => self.invalidate_index(),
            Err(_) => drop(self.streams_refused.fetch_add(1, Ordering::Relaxed)),
        }
        let (session, before) = attached?;
        if let Some((process, counts)) = before {
            self.end(process, counts);
        }
        self.end_rivals();
        Ok(session)
    }

    /// Services outlive their last pod, so that rules can be made for them. When the table is full,
    /// those without pods are removed.
    fn make_room_for_services(&self) -> bool {
        if self.services.len() >= SERVICES_MAX {
            let with_pods: HashSet<_> = self.pods.iter().map(|pod| pod.service()).collect();
            self.services.retain(|service, ()| with_pods.contains(service));
        }
        self.services.len() < SERVICES_MAX
    }

    /// Gone pods are kept for a while. When the table is full, half of them are removed: those
    /// heard longest ago.
    fn make_room_for_pods(&self, now_ms: u64) -> bool {
        if self.pods.len() >= self.budget.pods() {
            let mut gone_ms: Vec<u64> = self.pods.iter().filter_map(|pod| pod.gone_ms(now_ms)).collect();
            let middle = gone_ms.len() / 2;
            if middle < gone_ms.len() {
                let after_ms = *gone_ms.select_nth_unstable(middle).1;
                self.evict_gone_for(after_ms, now_ms);
            }
        }
        self.pods.len() < self.budget.pods()
    }

    /// Removes the pods that have been gone for too long. Their counts stay in the timeline's
    /// totals.
    pub fn evict_gone(&self, now_ms: u64) {
        self.evict_gone_for(self.forget_after.as_millis() as u64, now_ms);
    }

    fn evict_gone_for(&self, after_ms: u64, now_ms: u64) {
        // Counted one by one: pods attach at the same time, so the size of the table proves
        // nothing.
        let mut forgotten = 0_u64;
        let contested = self.contested(now_ms);
        self.pods.retain(|claim, pod| {
            pod.expire(now_ms);
            // If several processes claim a uid, a gone one is removed at once.
            let after_ms = if contested.contains(&claim.pod_uid) { 0 } else { after_ms };
            let stays = pod.gone_ms(now_ms).is_none_or(|gone_ms| gone_ms < after_ms);
            if !stays {
                forgotten += 1;
                let (epoch, mut counts) = pod.take_counts();
                // After that long, none of its windows is on its way to disk, unless the disk was
                // full all the time.
                self.losses.add(counts.give_up());
                self.evicted.insert(Process { pod_uid: claim.pod_uid.clone(), epoch }, counts);
            }
            stays
        });
        self.settle_losses();
        self.pods_forgotten.fetch_add(forgotten, Ordering::Relaxed);
        if forgotten > 0 {
            self.invalidate_index();
        }
    }

    /// All pods by name. Among pods of one name, the one heard last when a pod came or went comes
    /// last.
    pub fn pods(&self) -> Arc<PodIndex> {
        let mut sorted = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let sort = || Arc::new(PodIndex::from_pods(self.pods.iter().map(|pod| Arc::clone(pod.value()))));
        Arc::clone(sorted.get_or_insert_with(sort))
    }

    /// Recent counts of each pod of a service on one endpoint, by pod name, summed over its
    /// processes.
    pub fn recent_by_pod(
        &self,
        (namespace, service): (&str, &str),
        endpoint: &Endpoint,
        now_ms: u64,
    ) -> HashMap<String, RecentTotals> {
        let mut lately: HashMap<String, RecentTotals> = HashMap::new();
        for (pod, recent) in self.pods().processes(namespace, service).filter_map(|pod| pod.recent(endpoint, now_ms)) {
            lately.entry(pod).or_default().merge(&recent);
        }
        lately
    }

    /// Call this when a stream has ended: another process may replace its pod.
    pub fn stream_ended(&self) {
        self.end_rivals();
        self.invalidate_index();
    }

    fn invalidate_index(&self) {
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The pods of one service in their current state.
    pub fn pods_of(&self, namespace: &str, service: &str, now_ms: u64) -> Vec<PodView> {
        self.service_pods(namespace, service).iter().map(|pod| pod.view(now_ms)).collect()
    }

    /// The pods of one service.
    pub fn service_pods(&self, namespace: &str, service: &str) -> Vec<Arc<Pod>> {
        let pods = self.pods();
        let places = pods.service(namespace, service).map_or(&[][..], |copies| &copies.positions);
        places.iter().map(|place| Arc::clone(&pods[*place])).collect()
    }

    /// The attached processes, and those whose stream broke recently without a Bye.
    pub fn attached(&self, now_ms: u64) -> Vec<Process> {
        let process = |pod: RefMulti<'_, UidClaim, Arc<Pod>>| {
            pod.attached_epoch(now_ms).map(|epoch| Process { pod_uid: pod.key().pod_uid.clone(), epoch })
        };
        self.pods.iter().filter_map(process).collect()
    }

    /// The number of [`Self::attached`] processes and the sum of their epochs. Other processes have
    /// another sum, because epochs are nanoseconds.
    pub fn attached_digest(&self, now_ms: u64) -> (usize, u64) {
        let epochs = self.pods.iter().filter_map(|pod| pod.attached_epoch(now_ms));
        epochs.fold((0, 0), |(count, sum), epoch| (count + 1, sum.wrapping_add(epoch)))
    }

    /// Whether a pod of that service has ever attached, as far as this process and the store know.
    pub fn knows_service(&self, namespace: &str, service: &str) -> bool {
        self.services.contains_key(&(namespace.to_owned(), service.to_owned()))
    }

    /// Adds services that the store knows, so that rules can be made before any of their pods is
    /// back.
    pub fn add_services(&self, services: impl IntoIterator<Item = (String, String)>) {
        for service in services {
            if self.services.len() >= SERVICES_MAX {
                return;
            }
            self.services.insert(service, ());
        }
    }

    /// The known services as (namespace, service), sorted.
    pub fn services(&self) -> BTreeSet<(String, String)> {
        self.services.iter().map(|service| service.key().clone()).collect()
    }

    /// Streams refused because a newer one is known, or for lack of room.
    pub fn streams_refused(&self) -> u64 {
        self.streams_refused.load(Ordering::Relaxed)
    }

    /// Subtracts from the totals what ended processes have lost, once none of it is on its way to
    /// disk. Call it before you read totals.
    pub fn settle_losses(&self) {
        self.losses.settle();
    }

    /// Hits that processes reported, but that did not reach disk before they ended or were
    /// forgotten.
    pub fn hits_not_kept(&self) -> u64 {
        self.losses.hits()
    }

    /// Pods that were forgotten because they were gone for too long.
    pub fn pods_forgotten(&self) -> u64 {
        self.pods_forgotten.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
