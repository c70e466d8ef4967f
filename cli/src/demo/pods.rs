//! Simulated Kubernetes pods: an instance of a service with a sidecar in front of it, under a pod name.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context;
use axum::http::Uri;
use sidecar::control_client::dial::StreamToken;
use tokio_util::sync::CancellationToken;

use crate::demo::shop::{Shop, ShopService};
use crate::ports::{NoPort, listen_anywhere};
use crate::sidecars::{ListedSidecar, Ports};

/// Names as a Deployment makes them: the hash of its template, and five characters for each pod.
const NAMES: [(ShopService, &str); 8] = [
    (ShopService::Storefront, "storefront-5b8d6c7f9-2mnbv"),
    (ShopService::Storefront, "storefront-5b8d6c7f9-x8wqk"),
    (ShopService::Payments, "payments-7c9f4d6b8-h4jzt"),
    (ShopService::Payments, "payments-7c9f4d6b8-p9rlc"),
    (ShopService::Search, "search-64d8f9b5c7-5vgns"),
    (ShopService::Search, "search-64d8f9b5c7-zt7dm"),
    (ShopService::Legacy, "legacy-6c9f7d5b8-2kqxz"),
    (ShopService::Legacy, "legacy-6c9f7d5b8-8vw4n"),
];

/// The simulated clients have stopped before the pods do; this is for requests of other clients.
const FINISH_WITHIN: Duration = Duration::from_millis(700);

/// One pod with its ports bound and nothing running yet.
#[derive(Debug)]
pub(crate) struct DemoPod {
    /// The service that it is an instance of.
    pub(crate) service: ShopService,
    /// The name of the pod.
    pub(crate) name: &'static str,
    /// The source address of its requests, if each pod can have its own on this machine.
    pub(crate) address: Option<IpAddr>,
    /// The address where its sidecar accepts requests.
    pub(crate) entrance: SocketAddr,
    /// The address of its sidecar's admin endpoints.
    pub(crate) admin: SocketAddr,
    inside: SocketAddr,
    inside_listener: TcpListener,
    ports: Ports,
}

/// Binds the ports of all pods: two of each service.
pub(crate) fn bind_all() -> Result<Vec<DemoPod>, NoPort> {
    NAMES.iter().zip(1..).map(|((service, name), number)| DemoPod::bind(*service, name, address(number))).collect()
}

/// An address for each pod, as in a cluster. On Linux all of 127.0.0.0/8 is local. Elsewhere, pods share one source
/// address with the simulated clients and cannot be distinguished from them.
fn address(number: u8) -> Option<IpAddr> {
    let address = IpAddr::from([127, 87, 0, number]);
    TcpListener::bind((address, 0)).is_ok().then_some(address)
}

impl DemoPod {
    fn bind(service: ShopService, name: &'static str, address: Option<IpAddr>) -> Result<Self, NoPort> {
        let (inside_listener, inside) = listen_anywhere()?;
        let (traffic, entrance) = listen_anywhere()?;
        let (admin_listener, admin) = listen_anywhere()?;
        let ports = Ports { traffic, admin: admin_listener };
        Ok(Self { service, name, address, entrance, admin, inside, inside_listener, ports })
    }

    /// Runs until drained. The sidecar stops first, so that requests in flight still reach the service.
    pub(crate) async fn run(self, shop: Shop, control_plane: Uri, drain: CancellationToken) -> anyhow::Result<()> {
        let sidecar = ListedSidecar {
            service: self.service.name().to_owned(),
            pod: self.name.to_owned(),
            address: self.address,
            pods_in_process: NonZeroU32::new(NAMES.len() as u32),
            target: self.inside,
            control_plane,
            token: StreamToken::None,
            not_found_page: None,
            drain_timeout: FINISH_WITHIN,
        };
        let sidecar_gone = CancellationToken::new();
        let sidecar = async {
            let _tell = sidecar_gone.clone().drop_guard();
            sidecar.run(self.ports, drain).await
        };
        let service = shop.serve(self.service, self.inside_listener, sidecar_gone.clone());
        let (tunnelled, served) = tokio::join!(sidecar, service);
        tunnelled.and(served).with_context(|| format!("pod {}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use mesh::workload::service_of;

    use super::NAMES;

    #[test]
    fn the_mesh_finds_the_service_in_each_name() {
        for (service, name) in NAMES {
            assert_eq!(service_of(name), service.name(), "{name}");
        }
    }
}
