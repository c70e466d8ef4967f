//! Maps an address to the pod that reports it as its own, if no other pod claims it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use mesh::workload::Workload;

use crate::counts::fleet::Fleet;
use crate::counts::fleet::pod::PodView;
use crate::model::pod::PodState;
use crate::model::principal::Namespaces;

/// Tolerated difference between the clocks of two nodes. Beyond it, a call seems to come from a pod
/// that had not started yet, or had ended.
const SKEW_MS: u64 = 60_000;

/// The pods that claim each address.
#[derive(Debug, Default)]
pub struct AddressIndex {
    claims: HashMap<IpAddr, Vec<AddressClaim>, RandomState>,
}

#[derive(Debug)]
struct AddressClaim {
    workload: Arc<Workload>,
    began_ms: u64,
    /// When its last message arrived, if it is gone.
    gone_ms: Option<u64>,
    has_left: bool,
}

/// The owner of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressOwner {
    /// This pod.
    Pod(Arc<Workload>),
    /// One of several pods that share the address, all of the service of this one.
    Service(Arc<Workload>),
    /// No known pod, or pods of different services.
    Unknown,
}

impl AddressIndex {
    /// The owners in the current fleet, of these namespaces. Gone pods still own the calls that they made.
    pub fn from_fleet(fleet: &Fleet, namespaces: &Namespaces, now_ms: u64) -> Self {
        let mut owners = Self::default();
        for pod in fleet.pods().all_processes().filter(|pod| namespaces.contain(&pod.workload().namespace)) {
            owners.claim(&pod.view(now_ms));
        }
        owners
    }

    /// An index of these pods with their addresses, all of them present from the start.
    #[cfg(test)]
    pub(crate) fn from_workloads(workloads: impl IntoIterator<Item = Workload>) -> Self {
        let mut owners = Self::default();
        for workload in workloads.into_iter().map(Arc::new) {
            for address in &workload.addresses {
                let claim = AddressClaim { workload: Arc::clone(&workload), began_ms: 0, gone_ms: None, has_left: false };
                owners.claims.entry(*address).or_default().push(claim);
            }
        }
        owners
    }

    fn claim(&mut self, pod: &PodView) {
        for address in &pod.workload.addresses {
            let gone_ms = (pod.state == PodState::Gone).then_some(pod.last_message_ms);
            let workload = Arc::clone(&pod.workload);
            let claim = AddressClaim { workload, began_ms: pod.began_ms, gone_ms, has_left: pod.has_left };
            self.claims.entry(address.to_canonical()).or_default().push(claim);
        }
    }

    /// The owner of an address at its newest call. An address passes to another pod once its pod is
    /// gone. So a pod that started after the call, or had left before it, is ignored.
    pub fn owner(&self, address: IpAddr, last_ms: u64) -> AddressOwner {
        let claims = self.claims.get(&address.to_canonical()).map_or(&[][..], Vec::as_slice);
        let could_be = |claim: &&AddressClaim| {
            let had_left = claim.has_left && claim.gone_ms.is_some_and(|gone_ms| gone_ms.saturating_add(SKEW_MS) < last_ms);
            claim.began_ms <= last_ms.saturating_add(SKEW_MS) && !had_left
        };
        let mut there = claims.iter().filter(could_be).filter(|claim| claim.gone_ms.is_none());
        let Some(first) = there.next() else {
            let gone = claims.iter().filter(could_be).max_by_key(|claim| (claim.gone_ms, claim.began_ms));
            return gone.map_or(AddressOwner::Unknown, |claim| AddressOwner::Pod(Arc::clone(&claim.workload)));
        };
        let mut owner = AddressOwner::Pod(Arc::clone(&first.workload));
        for other in there {
            let (one, other) = (&first.workload, &other.workload);
            if (&one.namespace, &one.service) != (&other.namespace, &other.service) {
                return AddressOwner::Unknown;
            }
            owner = AddressOwner::Service(Arc::clone(one));
        }
        owner
    }
}

#[cfg(test)]
mod tests;
