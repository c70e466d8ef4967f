//! Services and their callers, aggregated from endpoints.

use std::collections::{BTreeMap, HashMap};

use crate::model::switch::Switch;
use crate::query::callers;
use crate::query::callers::{CalledBy, Who};
use crate::query::snapshot::{EndpointRow, Snapshot};
use format::health;
use format::health::{HealthLevel, ratio};

/// A service by namespace and name.
pub type Name = (String, String);

/// The calling side of a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MapCaller {
    /// Callers that are not a known pod.
    Outside,
    /// Callers that are not distinguished, or not reported.
    Others,
    /// A service.
    Service(Name),
}

/// The mesh as the map shows it.
#[derive(Debug, Clone, Default)]
pub struct ServiceMap {
    /// Every service, by name.
    pub services: BTreeMap<Name, MapService>,
    /// The connections between callers and services.
    pub edges: Vec<MapEdge>,
}

/// A service, summed over all of its endpoints.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MapService {
    /// Requests per second.
    pub rps: f64,
    /// The ratio of 5xx responses.
    pub failing_ratio: f64,
    /// The health level of that ratio.
    pub level: HealthLevel,
    /// Number of endpoints.
    pub endpoints: usize,
    /// Number of endpoints that are turned off.
    pub off: usize,
}

/// A connection: one caller and the service that it calls.
#[derive(Debug, Clone, PartialEq)]
pub struct MapEdge {
    /// The caller.
    pub from: MapCaller,
    /// The called service.
    pub to: Name,
    /// Requests per second.
    pub rps: f64,
    /// Failures per second.
    pub failures_per_s: f64,
    /// The health level of the failures.
    pub level: HealthLevel,
    /// Number of called endpoints that are turned off.
    pub off: usize,
}

/// The traffic from one caller to one service.
#[derive(Debug, Default)]
struct CallTotals {
    rps: f64,
    failures_per_s: f64,
    served: f64,
    failures: f64,
    off: usize,
}

/// Calls count as in the window if the caller's clock is behind ours by at most this much.
const SKEW_MS: u64 = 10_000;

impl ServiceMap {
    /// Aggregates a snapshot; `called_by` has the callers by endpoint id.
    ///
    /// The rate of an endpoint is measured. It is split by each caller's share of the requests in
    /// about the last minute.
    pub fn of(snapshot: &Snapshot, called_by: &HashMap<String, CalledBy>) -> Self {
        let mut rows: BTreeMap<Name, Vec<&EndpointRow>> = BTreeMap::new();
        for row in &snapshot.endpoints {
            rows.entry((row.namespace.clone(), row.service.clone())).or_default().push(row);
        }
        let mut mesh = Self::default();
        for pod in &snapshot.pods {
            let workload = &pod.workload;
            mesh.services.entry((workload.namespace.clone(), workload.service.clone())).or_default();
        }
        let since_ms = snapshot.taken_ms.saturating_sub(snapshot.window_ms()).saturating_sub(SKEW_MS);
        for (name, rows) in rows {
            let mut asked: BTreeMap<MapCaller, CallTotals> = BTreeMap::new();
            for row in &rows {
                share_out(row, called_by.get(&row.id), since_ms, &mut asked);
            }
            mesh.edges.extend(asked.into_iter().map(|(from, asked)| asked.edge(from, name.clone())));
            mesh.services.insert(name, MapService::of(&rows));
        }
        mesh
    }
}

/// Splits the traffic of an endpoint among its callers.
fn share_out(row: &EndpointRow, called_by: Option<&CalledBy>, since_ms: u64, asked: &mut BTreeMap<MapCaller, CallTotals>) {
    let is_off = matches!(row.switch, Switch::Off(_));
    let per_s = |part: u64| row.rps * ratio(part, row.now.hits);
    let mut give = |from: MapCaller, share: f64, share_of_failures: f64| {
        let to = asked.entry(from).or_default();
        to.rps += row.rps * share;
        to.failures_per_s += per_s(row.now.failures()) * share_of_failures;
        to.served += row.now.served() as f64 * share;
        to.failures += row.now.failures() as f64 * share_of_failures;
        to.off += usize::from(is_off);
    };
    let Some(called_by) = called_by.filter(|called_by| called_by.sum.calls.hits > 0) else {
        if row.now.hits > 0 {
            give(MapCaller::Others, 1.0, 1.0);
        }
        return;
    };
    // Callers of an endpoint that is off are always shown, however old: they are the ones cut off.
    let is_meant = |caller: &&callers::ResolvedCaller| caller.received.calls.last_ms >= since_ms || is_off;
    for caller in called_by.callers.iter().filter(is_meant) {
        let shares = (caller.received.share_lately_of(called_by.sum), caller.received.share_of_failures_in(called_by.sum));
        give(MapCaller::from(&caller.who), shares.0, shares.1);
    }
}

impl From<&Who> for MapCaller {
    fn from(who: &Who) -> Self {
        match who {
            Who::Service { namespace, service } => Self::Service((namespace.clone(), service.clone())),
            Who::Address(_) => Self::Outside,
            Who::Others => Self::Others,
        }
    }
}

impl CallTotals {
    fn edge(self, from: MapCaller, to: Name) -> MapEdge {
        let failing_ratio = if self.served > 0.0 { self.failures / self.served } else { 0.0 };
        let level = health::failing(failing_ratio, self.served.round() as u64);
        MapEdge { from, to, rps: self.rps, failures_per_s: self.failures_per_s, level, off: self.off }
    }
}

impl MapEdge {
    /// Adds another connection's numbers; the worse level of the two wins.
    pub(super) fn add(&mut self, other: &Self) {
        self.rps += other.rps;
        self.failures_per_s += other.failures_per_s;
        self.level = self.level.max(other.level);
        self.off += other.off;
    }
}

impl MapService {
    /// Adds another service's numbers; the worse level of the two wins.
    pub(super) fn add(&mut self, other: &Self) {
        let rps = self.rps + other.rps;
        if rps > 0.0 {
            self.failing_ratio = (self.failing_ratio * self.rps + other.failing_ratio * other.rps) / rps;
        }
        self.rps = rps;
        self.level = self.level.max(other.level);
        self.endpoints += other.endpoints;
        self.off += other.off;
    }

    fn of(rows: &[&EndpointRow]) -> Self {
        let sum = |part: fn(&EndpointRow) -> u64| rows.iter().map(|row| part(row)).fold(0, u64::saturating_add);
        let (failures, served) = (sum(|row| row.now.failures()), sum(|row| row.now.served()));
        let failing_ratio = ratio(failures, served);
        Self {
            rps: rows.iter().map(|row| row.rps).sum(),
            failing_ratio,
            level: health::failing(failing_ratio, served),
            endpoints: rows.len(),
            off: rows.iter().filter(|row| matches!(row.switch, Switch::Off(_))).count(),
        }
    }
}
