//! All pods by name, and which of them are copies of the same service: worked out anew when one comes or goes.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use crate::fleet::pod::{Pod, SeenPod};
use crate::snapshot::{PodState, Serving, ServingState};

/// The pods by name; of those that had the same name, the one that was heard last when this was made comes last.
#[derive(Debug, Default)]
pub struct Roster {
    pods: Box<[Arc<Pod>]>,
    /// By namespace, then by service.
    services: HashMap<String, HashMap<String, Copies>>,
}

/// The pods of one service.
#[derive(Debug, Default)]
pub struct Copies {
    /// Their places among all pods, in the same order.
    pub places: Vec<usize>,
    /// The different lists of routes that they protect.
    pub protected: Vec<Arc<[String]>>,
    usual: Mutex<Usual>,
}

/// What the pods of a service did when somebody looked last, as long as no rule said otherwise.
#[derive(Debug, Default)]
struct Usual {
    states: Vec<PodState>,
    serving: Arc<[Serving]>,
}

impl Roster {
    pub(super) fn of(pods: impl Iterator<Item = Arc<Pod>>) -> Self {
        let mut pods: Vec<_> = pods.map(|pod| (pod.name(), pod)).collect();
        pods.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut services: HashMap<String, HashMap<String, Copies>> = HashMap::new();
        for (place, (_, pod)) in pods.iter().enumerate() {
            let ((namespace, service), protected) = (pod.service(), pod.protected());
            let copies = services.entry(namespace).or_default().entry(service).or_default();
            copies.places.push(place);
            if !copies.protected.contains(&protected) {
                copies.protected.push(protected);
            }
        }
        Self { pods: pods.into_iter().map(|(_, pod)| pod).collect(), services }
    }

    /// The pods of a service, if there are any.
    pub fn copies(&self, namespace: &str, service: &str) -> Option<&Copies> {
        self.services.get(namespace)?.get(service)
    }
}

impl Deref for Roster {
    type Target = [Arc<Pod>];

    fn deref(&self) -> &[Arc<Pod>] {
        &self.pods
    }
}

impl Copies {
    /// What those that are there do as long as no rule says otherwise: one list for all endpoints of the service, and the
    /// same as the last time unless one of them has come, gone or fallen silent.
    pub fn usual(&self, seen: &[SeenPod]) -> Arc<[Serving]> {
        let states = self.places.iter().map(|place| seen[*place].state);
        let mut known = self.usual.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.states.iter().copied().eq(states.clone()) {
            let there = self.places.iter().map(|place| &seen[*place]).filter(|pod| pod.state != PodState::Gone);
            *known = Usual { states: states.collect(), serving: there.map(serving).collect() };
        }
        Arc::clone(&known.serving)
    }
}

fn serving(pod: &SeenPod) -> Serving {
    let state = if pod.state == PodState::Reporting { ServingState::Serving } else { ServingState::Lost };
    Serving { pod: pod.workload.pod.clone(), state }
}
