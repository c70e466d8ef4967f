//! Services and who calls them, added up from endpoints and their callers.

use std::collections::BTreeMap;

use crate::snapshot::{EndpointRow, Snapshot, Switch};
use crate::web::judge::{self, Level, ratio};

/// A service by its namespace and name.
pub type Name = (String, String);

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Whoever is not a pod that we know.
    Outside,
    /// A service.
    Service(Name),
}

/// The mesh as it is drawn.
#[derive(Debug, Clone, Default)]
pub struct Mesh {
    /// Every service, by name.
    pub services: BTreeMap<Name, Service>,
    /// Who calls whom.
    pub edges: Vec<Edge>,
}

/// A service, over all of its endpoints.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Service {
    /// Requests per second.
    pub rps: f64,
    /// The share of 5xx.
    pub failing_ratio: f64,
    /// How bad that is.
    pub level: Level,
    /// Endpoints.
    pub endpoints: usize,
    /// Of those, turned off.
    pub off: usize,
}

/// One calls another.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Who calls.
    pub from: Caller,
    /// Whom.
    pub to: Name,
    /// Requests per second.
    pub rps: f64,
    /// Of those, failures per second.
    pub failures_per_s: f64,
    /// How bad that is.
    pub level: Level,
    /// Endpoints that it calls and that are turned off.
    pub off: usize,
}

impl Mesh {
    /// The services of a snapshot. Who calls them is not told yet, so all calls come from outside.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut rows: BTreeMap<Name, Vec<&EndpointRow>> = BTreeMap::new();
        for row in &snapshot.endpoints {
            rows.entry((row.namespace.clone(), row.service.clone())).or_default().push(row);
        }
        let mut mesh = Self::default();
        for pod in &snapshot.pods {
            let workload = &pod.workload;
            mesh.services.entry((workload.namespace.clone(), workload.service.clone())).or_default();
        }
        for (name, rows) in rows {
            let service = Service::of(&rows);
            if rows.iter().any(|row| row.now.hits > 0) {
                mesh.edges.push(Edge {
                    from: Caller::Outside,
                    to: name.clone(),
                    rps: service.rps,
                    failures_per_s: service.rps * service.failing_ratio,
                    level: service.level,
                    off: service.off,
                });
            }
            mesh.services.insert(name, service);
        }
        mesh
    }
}

impl Service {
    fn of(rows: &[&EndpointRow]) -> Self {
        let sum = |part: fn(&EndpointRow) -> u64| rows.iter().map(|row| part(row)).sum::<u64>();
        let (failures, served) = (sum(|row| row.now.failures()), sum(|row| row.now.served()));
        let failing_ratio = ratio(failures, served);
        Self {
            rps: rows.iter().map(|row| row.rps).sum(),
            failing_ratio,
            level: judge::failing(failing_ratio, served),
            endpoints: rows.len(),
            off: rows.iter().filter(|row| matches!(row.switch, Switch::Off(_))).count(),
        }
    }
}
