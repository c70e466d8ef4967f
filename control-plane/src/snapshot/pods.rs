//! The pods of a snapshot: each looked at once, and found again by the service that it is a copy of.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::fleet::Fleet;
use crate::fleet::pod::SeenPod;
use crate::fleet::tally::Counted;
use crate::snapshot::{PodRow, PodState};
use crate::timeline::series::Series;

/// The fleet at one instant.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// By name.
    seen: Vec<SeenPod>,
    /// Positions in `seen`, by namespace and service, in the same order.
    copies: HashMap<(String, String), Vec<usize>>,
    /// Requests under way, by the number of the series.
    in_flight: HashMap<usize, u32>,
    /// Which pods have counted which series, where not every pod that is there is meant.
    counted: HashSet<(usize, usize)>,
}

impl Pods {
    pub(super) fn seen(fleet: &Fleet, now_ms: u64) -> Self {
        let mut fleet: Vec<_> = fleet.pods().into_iter().map(|pod| (pod.seen(now_ms), pod)).collect();
        fleet.sort_by(|(a, _), (b, _)| a.workload.pod.cmp(&b.workload.pod).then(a.heard_ms.cmp(&b.heard_ms)));
        let mut pods = Self::default();
        for (at, (seen, pod)) in fleet.into_iter().enumerate() {
            pod.each_endpoint(|counted| pods.count(at, &seen, counted));
            let workload = &seen.workload;
            pods.copies.entry((workload.namespace.clone(), workload.service.clone())).or_default().push(at);
            pods.seen.push(seen);
        }
        pods
    }

    fn count(&mut self, at: usize, seen: &SeenPod, counted: &Counted) {
        let number = counted.series.number;
        if seen.connected_ms.is_some() {
            let sum = self.in_flight.entry(number).or_default();
            *sum = sum.saturating_add(counted.in_flight);
        }
        // For these two it matters who has counted; for the rest, a request may reach any pod that is there.
        if seen.state == PodState::Gone || counted.series.endpoint.is_other() {
            self.counted.insert((at, number));
        }
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

    /// Requests for an endpoint that are under way.
    pub(super) fn in_flight(&self, series: &Series) -> u32 {
        self.in_flight.get(&series.number).copied().unwrap_or(0)
    }

    /// A row for each pod, by name.
    pub(super) fn rows(&self) -> Vec<PodRow> {
        self.seen.iter().map(row).collect()
    }

    fn places(&self, namespace: &str, service: &str) -> &[usize] {
        self.copies.get(&(namespace.to_owned(), service.to_owned())).map_or(&[], Vec::as_slice)
    }
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
    }
}
