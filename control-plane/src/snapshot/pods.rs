//! The pods of a snapshot: each looked at once, and found again by the service that it is a copy of.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::fleet::Fleet;
use crate::fleet::pod::SeenPod;
use crate::fleet::tally::counted::Counted;
use crate::snapshot::{PodRow, PodState, Serving, ServingState};
use crate::timeline::series::Series;

/// The fleet at one instant.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// By name.
    seen: Vec<SeenPod>,
    /// By namespace and service.
    copies: HashMap<(String, String), Copies>,
    /// Which pods have counted which series, where not every pod that is there is meant.
    counted: HashSet<(usize, usize)>,
    /// Series that some pod has counted which is gone without a goodbye.
    orphaned: HashSet<usize>,
}

/// The pods of one service.
#[derive(Debug, Default)]
struct Copies {
    /// Positions in the list of all pods, in the same order.
    places: Vec<usize>,
    /// What those that are there do as long as no rule says otherwise.
    usual: Arc<[Serving]>,
    /// The different lists of routes that they protect.
    protected: Vec<Arc<[String]>>,
}

impl Pods {
    pub(super) fn seen(fleet: &Fleet, now_ms: u64) -> Self {
        let mut pods = Self::default();
        for (at, pod) in fleet.pods().iter().enumerate() {
            let seen = pod.seen(now_ms);
            // For these two it matters who has counted; for the rest, a request may reach any pod that is there.
            if seen.state == PodState::Gone {
                pod.each_endpoint(|counted| pods.count(at, &seen, counted));
            } else if let Some(number) = pod.counts_other() {
                pods.counted.insert((at, number));
            }
            let workload = &seen.workload;
            let copies = pods.copies.entry((workload.namespace.clone(), workload.service.clone())).or_default();
            copies.places.push(at);
            if !copies.protected.contains(&seen.protected) {
                copies.protected.push(Arc::clone(&seen.protected));
            }
            pods.seen.push(seen);
        }
        for copies in pods.copies.values_mut() {
            let there = copies.places.iter().map(|at| &pods.seen[*at]).filter(|pod| pod.state != PodState::Gone);
            copies.usual = there.map(usual).collect();
        }
        pods
    }

    fn count(&mut self, at: usize, seen: &SeenPod, counted: &Counted) {
        self.counted.insert((at, counted.series.number));
        if !seen.has_left {
            self.orphaned.insert(counted.series.number);
        }
    }

    /// The pods that serve an endpoint, by name, and what they do as long as no rule says otherwise: one list for all
    /// endpoints of a service. `None` where the endpoint has others.
    pub(super) fn usual(&self, series: &Series) -> Option<Arc<[Serving]>> {
        let is_usual = !series.endpoint.is_other() && !self.orphaned.contains(&series.number);
        is_usual.then(|| self.copies(&series.namespace, &series.service).map(|copies| Arc::clone(&copies.usual)))?
    }

    /// Whether some pod lets no rule turn the endpoint off.
    pub(super) fn protect(&self, series: &Series) -> bool {
        let copies = self.copies(&series.namespace, &series.service);
        let mut lists = copies.into_iter().flat_map(|copies| &copies.protected);
        lists.any(|list| list.iter().any(|path| path == series.endpoint.route()))
    }

    /// The pods of a service, by name.
    pub(super) fn of_service<'a>(&'a self, namespace: &str, service: &str) -> impl Iterator<Item = &'a SeenPod> + Clone {
        self.places(namespace, service).iter().map(|at| &self.seen[*at])
    }

    /// The pods that serve an endpoint, by name: every copy of the service that is there, since a request may reach any of
    /// them, and those that counted it and fell silent. Who has said goodbye serves nothing.
    pub(super) fn serving<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = &'a SeenPod> {
        self.places(&series.namespace, &series.service).iter().filter_map(move |at| {
            let pod = &self.seen[*at];
            let is_there = match pod.state {
                PodState::Gone => !pod.has_left && self.counted.contains(&(*at, series.number)),
                _ if series.endpoint.is_other() => self.counted.contains(&(*at, series.number)),
                PodState::Reporting | PodState::Silent => true,
            };
            is_there.then_some(pod)
        })
    }

    /// A row for each pod, by name.
    pub(super) fn rows(&self) -> Vec<PodRow> {
        self.seen.iter().map(row).collect()
    }

    fn places(&self, namespace: &str, service: &str) -> &[usize] {
        self.copies(namespace, service).map_or(&[], |copies| &copies.places)
    }

    fn copies(&self, namespace: &str, service: &str) -> Option<&Copies> {
        self.copies.get(&(namespace.to_owned(), service.to_owned()))
    }
}

/// What a pod that is there does as long as no rule says otherwise.
fn usual(pod: &SeenPod) -> Serving {
    let state = if pod.state == PodState::Reporting { ServingState::Serving } else { ServingState::Lost };
    Serving { pod: pod.workload.pod.clone(), state }
}

fn row(pod: &SeenPod) -> PodRow {
    PodRow {
        workload: Arc::clone(&pod.workload),
        state: pod.state,
        connected_ms: pod.connected_ms,
        heard_ms: pod.heard_ms,
        resources: pod.resources,
        rps: pod.rps,
        confirmed: pod.receipts.confirmed().map(|confirmed| (confirmed.revision, confirmed.took_ms)),
        confirmed_ms: pod.receipts.confirmed().map(|confirmed| confirmed.at_ms),
        strip: Arc::clone(&pod.strip),
    }
}
