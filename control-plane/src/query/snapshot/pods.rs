//! The pods of a snapshot: each is read once, and found by the service that it belongs to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::counts::fleet::Fleet;
use crate::counts::fleet::pod::PodView;
use crate::counts::fleet::pod_index::PodIndex;
use crate::counts::fleet::process_counts::endpoint_counts::EndpointCounts;
use crate::counts::timeline::series::Series;
use crate::model::pod::{PodState, Serving};
use crate::model::principal::Namespaces;
use crate::model::rules_state::RulesState;
use crate::query::snapshot::PodRow;

/// The fleet at one instant.
#[derive(Debug)]
pub(super) struct FleetView {
    roster: Arc<PodIndex>,
    /// In the order of the pod index.
    seen: Vec<PodView>,
    /// Pairs of pod and series that was counted: for gone pods, and for the shared series.
    counted: HashSet<(usize, usize)>,
    /// Series that were counted by a pod that is gone without a Bye.
    orphaned: HashSet<usize>,
}

impl FleetView {
    pub(super) fn seen(fleet: &Fleet, now_ms: u64) -> Self {
        let roster = fleet.pods();
        let seen = roster.iter().map(|pod| pod.view(now_ms)).collect();
        let mut pods = Self { roster: Arc::clone(&roster), seen, counted: HashSet::new(), orphaned: HashSet::new() };
        for (at, pod) in roster.iter().enumerate() {
            // Only these two depend on which pod has counted; any other request may reach any
            // present pod.
            if pods.seen[at].state == PodState::Gone {
                let has_left = pods.seen[at].has_left;
                pod.each_endpoint(|counted| pods.count(at, has_left, counted));
            } else if let Some(number) = pods.seen[at].other {
                pods.counted.insert((at, number));
            }
        }
        pods
    }

    fn count(&mut self, at: usize, has_left: bool, counted: &EndpointCounts) {
        self.counted.insert((at, counted.series().number));
        if !has_left {
            self.orphaned.insert(counted.series().number);
        }
    }

    /// The pods that serve an endpoint, by name, with their states where no rule applies: one list
    /// for all endpoints of a service. `None` if the endpoint needs a list of its own.
    pub(super) fn usual(&self, series: &Series) -> Option<Arc<[Serving]>> {
        let is_usual = !series.endpoint.is_other() && !self.orphaned.contains(&series.number);
        let copies = self.roster.service(series.namespace(), series.service()).filter(|_| is_usual)?;
        Some(copies.default_serving(&self.seen))
    }

    /// Whether a pod protects the endpoint, so that no rule may turn it off.
    pub(super) fn protect(&self, series: &Series) -> bool {
        let copies = self.roster.service(series.namespace(), series.service());
        let mut lists = copies.into_iter().flat_map(|copies| &copies.protected);
        lists.any(|list| list.iter().any(|path| path == series.endpoint.route()))
    }

    /// The pods of a service, by name.
    pub(super) fn of_service<'a>(&'a self, namespace: &str, service: &str) -> impl Iterator<Item = &'a PodView> + Clone {
        self.places(namespace, service).iter().map(|at| &self.seen[*at])
    }

    /// The pods that serve an endpoint, by name: every present pod of the service, since a request
    /// may reach any of them, and those that counted it and fell silent. A pod that has sent a Bye
    /// serves nothing.
    pub(super) fn serving<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = &'a PodView> {
        self.places(series.namespace(), series.service()).iter().filter_map(move |at| {
            let pod = &self.seen[*at];
            let is_there = match pod.state {
                PodState::Gone => !pod.has_left && self.counted.contains(&(*at, series.number)),
                _ if series.endpoint.is_other() => self.counted.contains(&(*at, series.number)),
                PodState::Reporting | PodState::Silent => true,
            };
            is_there.then_some(pod)
        })
    }

    /// A row for each pod of these namespaces, by name.
    pub(super) fn into_rows(self, rules: &RulesState, namespaces: &Namespaces) -> Vec<PodRow> {
        let mut claimants: HashMap<String, u32> = HashMap::new();
        for pod in self.seen.iter().filter(|pod| pod.connected_ms.is_some() && pod.state == PodState::Reporting) {
            *claimants.entry(pod.workload.pod_uid.clone()).or_default() += 1;
        }
        let count = |pod: &PodView| claimants.get(&pod.workload.pod_uid).copied().unwrap_or_default();
        let mut rows: Vec<_> = self.seen.into_iter().map(|pod| PodRow { claimants: count(&pod), ..row(pod) }).collect();
        for ((namespace, service), revision) in rules.changed() {
            for at in self.roster.service(namespace, service).into_iter().flat_map(|copies| &copies.positions) {
                rows[*at].revision_wanted = revision;
            }
        }
        rows.retain(|row| namespaces.contain(&row.workload.namespace));
        rows
    }

    fn places(&self, namespace: &str, service: &str) -> &[usize] {
        self.roster.service(namespace, service).map_or(&[], |copies| &copies.positions)
    }
}

fn row(pod: PodView) -> PodRow {
    PodRow {
        workload: pod.workload,
        epoch: pod.epoch,
        claimants: 0,
        state: pod.state,
        started_ms: pod.started_ms,
        version_before: pod.version_before,
        connected_ms: pod.connected_ms,
        last_message_ms: pod.last_message_ms,
        resources: pod.resources,
        rps: pod.rps,
        skew: pod.skew,
        revision_wanted: 0,
        confirmed: pod.receipts.confirmed().map(|confirmed| (confirmed.revision, confirmed.took_ms)),
        confirmed_ms: pod.receipts.confirmed().map(|confirmed| confirmed.at_ms),
        resource_history: pod.resource_history,
        refusal: pod.refusal,
    }
}
