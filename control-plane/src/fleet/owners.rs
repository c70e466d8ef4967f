//! Whose an address is: the pod's that has said so, if no other has a claim to it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use mesh::workload::Workload;

use crate::fleet::Fleet;
use crate::fleet::pod::SeenPod;
use crate::snapshot::PodState;

/// How far the clocks of two nodes may be apart before a call seems to come from a pod that was not there yet, or not any
/// more.
const SKEW_MS: u64 = 60_000;

/// Which pods call which address theirs.
#[derive(Debug, Default)]
pub struct Owners {
    claims: HashMap<IpAddr, Vec<Claim>, RandomState>,
}

#[derive(Debug)]
struct Claim {
    workload: Arc<Workload>,
    began_ms: u64,
    /// When it was last heard, if it is gone.
    gone_ms: Option<u64>,
    has_left: bool,
}

/// Who has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// This pod.
    Pod(Arc<Workload>),
    /// One of several pods of this one's service, which share it.
    Service(Arc<Workload>),
    /// No pod that we know, or pods of different services.
    Nobody,
}

impl Owners {
    /// Those of the fleet as it is now. Pods that are gone still have what they did.
    pub fn of(fleet: &Fleet, now_ms: u64) -> Self {
        let mut owners = Self::default();
        for pod in fleet.pods().all_processes() {
            owners.claim(&pod.seen(now_ms));
        }
        owners
    }

    /// Of these pods, each with its addresses, all of them there since ever.
    #[cfg(test)]
    pub(crate) fn with(workloads: impl IntoIterator<Item = Workload>) -> Self {
        let mut owners = Self::default();
        for workload in workloads.into_iter().map(Arc::new) {
            for address in &workload.addresses {
                let claim = Claim { workload: Arc::clone(&workload), began_ms: 0, gone_ms: None, has_left: false };
                owners.claims.entry(*address).or_default().push(claim);
            }
        }
        owners
    }

    fn claim(&mut self, pod: &SeenPod) {
        for address in &pod.workload.addresses {
            let gone_ms = (pod.state == PodState::Gone).then_some(pod.heard_ms);
            let workload = Arc::clone(&pod.workload);
            let claim = Claim { workload, began_ms: pod.began_ms, gone_ms, has_left: pod.has_left };
            self.claims.entry(address.to_canonical()).or_default().push(claim);
        }
    }

    /// Who had an address when the newest call came from there. Addresses are given to other pods once a pod is gone, so
    /// one that began later, or had left before, is not meant.
    pub fn owner(&self, address: IpAddr, last_ms: u64) -> Owner {
        let claims = self.claims.get(&address.to_canonical()).map_or(&[][..], Vec::as_slice);
        let could_be = |claim: &&Claim| {
            let had_left = claim.has_left && claim.gone_ms.is_some_and(|gone_ms| gone_ms.saturating_add(SKEW_MS) < last_ms);
            claim.began_ms <= last_ms.saturating_add(SKEW_MS) && !had_left
        };
        let mut there = claims.iter().filter(could_be).filter(|claim| claim.gone_ms.is_none());
        let Some(first) = there.next() else {
            let gone = claims.iter().filter(could_be).max_by_key(|claim| (claim.gone_ms, claim.began_ms));
            return gone.map_or(Owner::Nobody, |claim| Owner::Pod(Arc::clone(&claim.workload)));
        };
        let mut owner = Owner::Pod(Arc::clone(&first.workload));
        for other in there {
            let (one, other) = (&first.workload, &other.workload);
            if (&one.namespace, &one.service) != (&other.namespace, &other.service) {
                return Owner::Nobody;
            }
            owner = Owner::Service(Arc::clone(one));
        }
        owner
    }
}

#[cfg(test)]
mod tests;
