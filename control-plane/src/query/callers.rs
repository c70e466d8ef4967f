//! The callers of an endpoint over all its pods: services where addresses belong to pods, else addresses.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::counts::fleet::Fleet;
use crate::counts::fleet::address_index::{AddressIndex, AddressOwner};
use crate::counts::fleet::endpoint_callers::{CallerCounts, show};
use crate::counts::timeline::Timeline;
use crate::counts::timeline::series::Series;
use crate::model::principal::Namespaces;

/// Addresses that are listed individually, the busiest first; the rest are added to the others. A person reads a dozen,
/// and a public endpoint may have 32 on each of its pods.
const ADDRESSES_MAX: usize = 256;

/// The callers of one endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CalledBy {
    /// The callers, busiest first; those that are not listed individually come last, as one.
    pub callers: Vec<ResolvedCaller>,
    /// The sum of all callers.
    pub sum: CallerCounts,
    /// Counted requests whose callers are unknown: those of pods that are gone from before the control plane's start,
    /// and those of sidecars that do not report callers.
    pub unknown_hits: u64,
}

/// One caller.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedCaller {
    /// Its identity.
    pub who: Who,
    /// Its requests.
    pub received: CallerCounts,
    /// The calling pods of a service, busiest first.
    pub pods: Vec<CallingPod>,
}

/// The identity of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// A service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        service: String,
    },
    /// An address that belongs to no pod.
    Address(IpAddr),
    /// All callers that are not listed individually.
    Others,
}

/// One calling pod.
#[derive(Debug, Clone, PartialEq)]
pub struct CallingPod {
    /// Its name; `None` if several pods of the service share the address.
    pub pod: Option<String>,
    /// The address that it calls from.
    pub address: IpAddr,
    /// Its requests.
    pub received: CallerCounts,
}

/// The requests of each address; the key `None` is for callers that are not listed individually.
type ByAddress = HashMap<Option<IpAddr>, CallerCounts, foldhash::fast::RandomState>;

impl CalledBy {
    /// The callers of one endpoint.
    pub fn from_series(fleet: &Fleet, series: &Arc<Series>, namespaces: &Namespaces, now_ms: u64) -> Self {
        Self::from_several(fleet, std::slice::from_ref(series), namespaces, now_ms)
    }

    /// The callers of several endpoints of one service, added up. Callers of other namespaces than these stay addresses.
    pub fn from_several(fleet: &Fleet, all: &[Arc<Series>], namespaces: &Namespaces, now_ms: u64) -> Self {
        let Some(one) = all.first() else { return Self::default() };
        let numbers: HashSet<usize> = all.iter().map(|series| series.number).collect();
        let mut by_address = ByAddress::default();
        for series in all {
            show(&series.past_callers(), |address, calls| {
                by_address.entry(address).or_default().add(CallerCounts { calls, ..CallerCounts::default() });
            });
        }
        for pod in fleet.pods().processes(one.namespace(), one.service()) {
            pod.each_endpoint(|counted| {
                if numbers.contains(&counted.series().number) {
                    counted.each_caller(now_ms, |address, received| by_address.entry(address).or_default().add(received));
                }
            });
        }
        let called_by = Self::by_name(by_address, &AddressIndex::from_fleet(fleet, namespaces, now_ms));
        let hits = all.iter().fold(0_u64, |sum, series| sum.saturating_add(series.totals().hits));
        Self { unknown_hits: hits.saturating_sub(called_by.sum.calls.hits), ..called_by }
    }

    /// The callers of every endpoint of these namespaces that was called, by endpoint id.
    pub fn from_all(fleet: &Fleet, timeline: &Timeline, namespaces: &Namespaces, now_ms: u64) -> HashMap<String, Self> {
        let (mut all, mut ids): (HashMap<usize, ByAddress>, HashMap<usize, String>) = Default::default();
        for series in timeline.all().into_iter().filter(|series| namespaces.contain(series.namespace())) {
            ids.insert(series.number, series.id.to_string());
            show(&series.past_callers(), |address, calls| {
                let received = CallerCounts { calls, ..CallerCounts::default() };
                all.entry(series.number).or_default().entry(address).or_default().add(received);
            });
        }
        for pod in fleet.pods().all_processes() {
            pod.each_endpoint(|counted| {
                let by_address = all.entry(counted.series().number).or_default();
                counted.each_caller(now_ms, |address, received| by_address.entry(address).or_default().add(received));
            });
        }
        let owners = AddressIndex::from_fleet(fleet, namespaces, now_ms);
        let named = |(number, by_address)| Some((ids.remove(&number)?, Self::by_name(by_address, &owners)));
        all.into_iter().filter_map(named).collect()
    }

    fn by_name(by_address: ByAddress, owners: &AddressIndex) -> Self {
        let mut sum = CallerCounts::default();
        let mut callers: HashMap<Who, ResolvedCaller> = HashMap::new();
        for (address, received) in by_address {
            sum.add(received);
            let owner = address.map_or(AddressOwner::Unknown, |address| owners.owner(address, received.calls.last_ms));
            let (who, pod) = match (owner, address) {
                (_, None) => (Who::Others, None),
                (AddressOwner::Unknown, Some(address)) => (Who::Address(address), None),
                (AddressOwner::Pod(workload), Some(address)) => {
                    let pod = CallingPod { pod: Some(workload.pod.clone()), address, received };
                    (Who::service(&workload.namespace, &workload.service), Some(pod))
                }
                (AddressOwner::Service(workload), Some(address)) => {
                    (Who::service(&workload.namespace, &workload.service), Some(CallingPod { pod: None, address, received }))
                }
            };
            let unknown = || ResolvedCaller { who: who.clone(), received: CallerCounts::default(), pods: Vec::new() };
            let caller = callers.entry(who.clone()).or_insert_with(unknown);
            caller.received.add(received);
            caller.pods.extend(pod);
        }
        Self { callers: in_order(callers), sum, unknown_hits: 0 }
    }
}

/// The busiest callers first, with at most [`ADDRESSES_MAX`] addresses, and the others last.
fn in_order(callers: HashMap<Who, ResolvedCaller>) -> Vec<ResolvedCaller> {
    let mut callers: Vec<ResolvedCaller> = callers.into_values().collect();
    callers.sort_by(|a, b| (Reverse(a.received.calls.hits), &a.who).cmp(&(Reverse(b.received.calls.hits), &b.who)));
    let mut others = ResolvedCaller { who: Who::Others, received: CallerCounts::default(), pods: Vec::new() };
    let mut addresses = 0;
    callers.retain_mut(|caller| {
        addresses += usize::from(matches!(caller.who, Who::Address(_)));
        let is_reported = caller.who != Who::Others && (addresses <= ADDRESSES_MAX || !caller.pods.is_empty());
        if !is_reported {
            others.received.add(caller.received);
        }
        caller.pods.sort_by(|a, b| {
            (Reverse(a.received.calls.hits), &a.pod, a.address).cmp(&(Reverse(b.received.calls.hits), &b.pod, b.address))
        });
        is_reported
    });
    callers.extend(Some(others).filter(|others| others.received.calls.hits > 0));
    callers
}

impl Who {
    fn service(namespace: &str, service: &str) -> Self {
        Self::Service { namespace: namespace.to_owned(), service: service.to_owned() }
    }
}

#[cfg(test)]
mod tests;
