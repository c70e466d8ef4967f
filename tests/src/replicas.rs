//! Runs several control planes as replicas on NATS, behind one address for sidecars and one for people.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::api::Api;
use crate::control_plane::ControlPlane;
use crate::eventually::{SOON, eventually};
use crate::nats::NatsCluster;
use crate::origin::Origin;
use crate::reserved_port::ReservedPort;
use crate::service_address::ServiceAddress;
use crate::sidecar::Sidecar;

/// Several control planes with one state.
pub struct Replicas {
    /// The control planes.
    pub all: Vec<ControlPlane>,
    /// The address to which sidecars connect.
    pub grpc: ServiceAddress,
    /// The address of the pages and the API.
    pub http: ServiceAddress,
    peer_ports: Vec<ReservedPort>,
}

impl Replicas {
    /// Starts this many replicas, without waiting for a leader.
    #[track_caller]
    pub fn start(count: usize, nats: &NatsCluster) -> Self {
        Self::with(count, nats, &[])
    }

    /// The same with these settings besides.
    #[track_caller]
    pub fn with(count: usize, nats: &NatsCluster, settings: &[(&str, &str)]) -> Self {
        let (mut all, mut peer_ports) = (Vec::new(), Vec::new());
        for at in 0..count {
            // A setting that is given twice has the last value.
            let (peer, urls, copies) = (ReservedPort::reserve(), nats.urls(), nats.nodes.len().to_string());
            let (name, address) = (format!("control-plane-{at}"), format!("127.0.0.1:{}", peer.port));
            let own = [
                ("SITIO_NATS_URL", urls.as_str()),
                ("SITIO_NATS_COPIES", &copies),
                ("SITIO_REPLICA_ADDR", &address),
                ("SITIO_REPLICA_NAME", &name),
            ];
            all.push(ControlPlane::with(&[&own[..], settings].concat()));
            peer_ports.push(peer);
        }
        let grpc = ServiceAddress::before(all.iter().map(|replica| replica.grpc_port).collect());
        let http = ServiceAddress::before(all.iter().map(|replica| replica.http_port).collect());
        Self { all, grpc, http, peer_ports }
    }

    /// A client of the API, at the address for all of them.
    pub fn api(&self) -> Api {
        Api::at(self.http.port)
    }

    /// Waits until a replica leads, and returns its place.
    #[track_caller]
    pub fn expect_leader(&self) -> usize {
        eventually(2 * SOON, || {
            let status = self.status()?;
            let leader = status["replication"]["leader"].as_str().context("no leader")?;
            let at = leader.rsplit('-').next().and_then(|at| at.parse().ok());
            at.with_context(|| format!("{leader} is no replica of this test"))
        })
    }

    /// Waits until every replica can serve.
    #[track_caller]
    pub fn expect_ready(&self) {
        for replica in &self.all {
            eventually(2 * SOON, || {
                let ready = replica.api().any_page("/readyz")?;
                ensure!(ready == "ok\n", "{ready}");
                Ok(())
            });
        }
    }

    /// Waits until exactly `expected` rules are in force.
    #[track_caller]
    pub fn expect_rules(&self, expected: usize) {
        eventually(SOON, || {
            let listed = self.api().json("/api/v1/rules")?;
            let in_force = listed["rules"].as_array().map_or(0, Vec::len);
            ensure!(in_force == expected, "{in_force} rules, not {expected}: {listed}");
            Ok(())
        });
    }

    /// The number of windows that the leader has stored since it started.
    #[track_caller]
    pub fn stored(&self) -> u64 {
        eventually(SOON, || self.status()?["store"]["windows"]["kept"].as_u64().context("no count of windows"))
    }

    /// Waits until the leader has stored this number of windows.
    #[track_caller]
    pub fn expect_stored(&self, windows: u64) {
        eventually(3 * SOON, || {
            let stored = self.stored();
            ensure!(stored >= windows, "{stored} windows of {windows}");
            Ok(())
        });
    }

    /// The status of whichever replica leads.
    pub fn status(&self) -> Result<Value> {
        self.api().json("/api/v1/status")
    }

    /// Starts a pod of a service that connects to the address for all replicas.
    #[track_caller]
    pub fn pod(&self, origin: &Origin, service: &str, name: &str) -> Sidecar {
        Sidecar::builder(origin.port()).named(service, name).reports_to(self.grpc.port).start()
    }

    /// The port of a replica for the others.
    pub fn peer_port(&self, at: usize) -> u16 {
        self.peer_ports[at].port
    }

    /// The number of replicas.
    pub fn count(&self) -> usize {
        self.peer_ports.len()
    }
}
