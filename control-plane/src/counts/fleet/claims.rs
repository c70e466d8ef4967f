//! Decides which process speaks for a pod: usually one after the other, sometimes two at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dashmap::Entry;
use proto::convert::greeting::Greeting;

use crate::counts::fleet::Fleet;
use crate::counts::fleet::not_attached::NotAttached;
use crate::counts::fleet::pod::Pod;
use crate::counts::fleet::process_counts::ProcessCounts;
use crate::counts::fleet::stream_session::{Replaced, StreamSession};
use crate::counts::fleet::uid_claim::UidClaim;
use crate::store::metrics_store::Process;

impl Fleet {
    pub(super) fn begin(&self, greeting: Greeting, now_ms: u64) -> Result<(StreamSession, Option<Replaced>), NotAttached> {
        let service = (greeting.workload.namespace.clone(), greeting.workload.service.clone());
        if !self.services.contains_key(&service) && !self.make_room_for_services() {
            return Err(NotAttached::Full);
        }
        let has_room = self.make_room_for_pods(now_ms);
        let pod_uid = greeting.workload.pod_uid.clone();
        let rival = UidClaim { pod_uid: pod_uid.clone(), rival: Some(greeting.epoch) };
        let begun = if self.pods.contains_key(&rival) {
            self.begin_as(rival, greeting, has_room, now_ms)?
        } else {
            match self.begin_as(UidClaim { pod_uid, rival: None }, greeting.clone(), has_room, now_ms) {
                Err(NotAttached::Claimed(pod)) => {
                    tracing::warn!(pod, "another process reports under this pod's uid: both are counted");
                    self.has_rivals.store(true, Ordering::Relaxed);
                    self.begin_as(rival, greeting, has_room, now_ms)?
                }
                begun => begun?,
            }
        };
        self.services.insert(service, ());
        Ok(begun)
    }

    fn begin_as(
        &self,
        claim: UidClaim,
        greeting: Greeting,
        has_room: bool,
        now_ms: u64,
    ) -> Result<(StreamSession, Option<Replaced>), NotAttached> {
        let process = Process { pod_uid: greeting.workload.pod_uid.clone(), epoch: greeting.epoch };
        let pod = match self.pods.entry(claim) {
            Entry::Occupied(known) => known.into_ref(),
            Entry::Vacant(_) if !has_room => return Err(NotAttached::Full),
            Entry::Vacant(place) => {
                let counts = self.evicted.take(&process).unwrap_or_default();
                place.insert(Arc::new(Pod::new(&greeting, counts, now_ms)))
            }
        };
        // The entry is still locked here, so a pod that is just coming back is not forgotten.
        let (session, before) = StreamSession::begin(Arc::clone(pod.value()), greeting, now_ms)?;
        if before.is_some()
            && let Some(counts) = self.evicted.take(&process)
        {
            session.restore_counts(counts);
        }
        Ok((session, before))
    }

    /// Call this when a stream begins or ends. Among several processes under one uid, one without a
    /// stream counts as ended once a later one has a stream, like the earlier processes of any pod.
    /// If it comes back, it continues with its counts.
    pub(super) fn end_rivals(&self) {
        if !self.has_rivals.load(Ordering::Relaxed) {
            return;
        }
        let rivals = self.rival_uids();
        self.has_rivals.store(!rivals.is_empty(), Ordering::Relaxed);
        let mut latest: HashMap<String, u64> = HashMap::new();
        for pod in self.pods.iter().filter(|pod| rivals.contains(&pod.key().pod_uid)) {
            if let Some(epoch) = pod.connected_epoch() {
                let latest = latest.entry(pod.key().pod_uid.clone()).or_default();
                *latest = epoch.max(*latest);
            }
        }
        let mut ended = Vec::new();
        self.pods.retain(|claim, pod| {
            let later = latest.get(&claim.pod_uid);
            let stays = later.is_none_or(|later| pod.connected_epoch().is_some() || pod.epoch() >= *later);
            if !stays {
                let (epoch, counts) = pod.take_counts();
                ended.push((Process { pod_uid: claim.pod_uid.clone(), epoch }, counts));
            }
            stays
        });
        for (process, counts) in ended {
            self.end(process, counts);
        }
    }

    /// Retires the counts of a replaced process. They are kept, so that it is not counted twice if
    /// it comes back.
    pub(super) fn end(&self, process: Process, mut counts: ProcessCounts) {
        counts.end();
        let durable_counts = Arc::clone(counts.durable_counts());
        let is_remembered = self.evicted.insert(process, counts);
        // Remembered process counts hold the durable counts, too.
        self.losses.ended(durable_counts, if is_remembered { 2 } else { 1 });
    }

    /// The uids that several processes claim and under which one reports.
    pub(super) fn contested(&self, now_ms: u64) -> HashSet<String> {
        let rivals = self.rival_uids();
        if rivals.is_empty() {
            return rivals;
        }
        let claims = self.pods.iter().filter(|pod| rivals.contains(&pod.key().pod_uid));
        claims.filter(|pod| pod.lock().is_alive(now_ms)).map(|pod| pod.key().pod_uid.clone()).collect()
    }

    /// The uids that several processes claim.
    fn rival_uids(&self) -> HashSet<String> {
        self.pods.iter().filter(|pod| pod.key().rival.is_some()).map(|pod| pod.key().pod_uid.clone()).collect()
    }
}
