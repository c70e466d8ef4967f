//! An index of all pods, sorted by name and grouped by service; it is rebuilt when a pod comes or goes.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use crate::counts::fleet::pod::{Pod, PodView};
use crate::model::pod::{PodState, Serving, ServingState};

/// The pods by name. Among pods of one name, the one heard last when the index was built comes
/// last.
///
/// A sidecar without `POD_UID` makes one up, so a restart looks like another pod of the same name.
/// Among pods of one name in one service, those without a stream are earlier processes of the
/// present one.
#[derive(Debug, Default)]
pub struct PodIndex {
    pods: Box<[Arc<Pod>]>,
    /// Earlier processes of present pods, by service: no pods of their own any more.
    replaced: Vec<((String, String), Arc<Pod>)>,
    /// By namespace, then by service.
    services: HashMap<String, HashMap<String, ServicePods>>,
}

/// The pods of one service.
#[derive(Debug, Default)]
pub struct ServicePods {
    /// Their positions in the list of all pods, in the same order.
    pub positions: Vec<usize>,
    /// The distinct lists of routes that they protect.
    pub protected: Vec<Arc<[String]>>,
    default_serving: Mutex<DefaultServing>,
}

/// The cached serving states of a service's pods where no rule applies.
#[derive(Debug, Default)]
struct DefaultServing {
    states: Vec<PodState>,
    serving: Arc<[Serving]>,
}

impl PodIndex {
    pub(super) fn from_pods(pods: impl Iterator<Item = Arc<Pod>>) -> Self {
        let mut pods: Vec<_> = pods.map(|pod| (pod.name(), pod)).collect();
        pods.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (pods, replaced) = without_replaced(pods);
        let mut services: HashMap<String, HashMap<String, ServicePods>> = HashMap::new();
        for (place, (_, pod)) in pods.iter().enumerate() {
            let ((namespace, service), protected) = (pod.service(), pod.protected());
            let copies = services.entry(namespace).or_default().entry(service).or_default();
            copies.positions.push(place);
            if !copies.protected.contains(&protected) {
                copies.protected.push(protected);
            }
        }
        let replaced = replaced.into_iter().map(|pod| (pod.service(), pod)).collect();
        Self { pods: pods.into_iter().map(|(_, pod)| pod).collect(), replaced, services }
    }

    /// Every process of a service, replaced ones included.
    pub fn processes<'a>(&'a self, namespace: &'a str, service: &'a str) -> impl Iterator<Item = &'a Arc<Pod>> {
        let places = self.service(namespace, service).map_or(&[][..], |copies| &copies.positions);
        let is_of_service = move |of: &(String, String)| of.0 == namespace && of.1 == service;
        let replaced = self.replaced.iter().filter(move |(of, _)| is_of_service(of)).map(|(_, pod)| pod);
        places.iter().map(|place| &self.pods[*place]).chain(replaced)
    }

    /// Every process of all services, replaced ones included.
    pub fn all_processes(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.iter().chain(self.replaced.iter().map(|(_, pod)| pod))
    }

    /// The pods of a service, if there are any.
    pub fn service(&self, namespace: &str, service: &str) -> Option<&ServicePods> {
        self.services.get(namespace)?.get(service)
    }
}

/// A pod's name, and when its last message arrived.
type Named = ((String, u64), Arc<Pod>);

/// Separates the present pods from their earlier processes. If none of them has a stream, the one
/// heard last is present.
fn without_replaced(pods: Vec<Named>) -> (Vec<Named>, Vec<Arc<Pod>>) {
    let (mut there, mut replaced) = (Vec::with_capacity(pods.len()), Vec::new());
    for alike in pods.chunk_by(|(a, _), (b, _)| a.0 == b.0) {
        if let [only] = alike {
            there.push(only.clone());
            continue;
        }
        for (at, (name, pod)) in alike.iter().enumerate() {
            let service = pod.service();
            let mut later = alike[at + 1..].iter().filter(|(_, later)| later.service() == service);
            let mut others = alike.iter().filter(|(_, other)| !Arc::ptr_eq(other, pod) && other.service() == service);
            let is_replaced = !pod.is_connected() && (later.next().is_some() || others.any(|(_, other)| other.is_connected()));
            if is_replaced { replaced.push(Arc::clone(pod)) } else { there.push((name.clone(), Arc::clone(pod))) }
        }
    }
    (there, replaced)
}

impl Deref for PodIndex {
    type Target = [Arc<Pod>];

    fn deref(&self) -> &[Arc<Pod>] {
        &self.pods
    }
}

impl ServicePods {
    /// The serving states of the present pods where no rule applies: one list for all endpoints of
    /// the service. It stays the same list until a pod comes, goes or falls silent.
    pub fn default_serving(&self, seen: &[PodView]) -> Arc<[Serving]> {
        let states = self.positions.iter().map(|place| seen[*place].state);
        let mut known = self.default_serving.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.states.iter().copied().eq(states.clone()) {
            let there = self.positions.iter().map(|place| &seen[*place]).filter(|pod| pod.state != PodState::Gone);
            *known = DefaultServing { states: states.collect(), serving: there.map(serving).collect() };
        }
        Arc::clone(&known.serving)
    }
}

fn serving(pod: &PodView) -> Serving {
    let state = if pod.state == PodState::Reporting { ServingState::Serving } else { ServingState::Lost };
    Serving { pod: pod.workload.pod.clone(), state }
}
