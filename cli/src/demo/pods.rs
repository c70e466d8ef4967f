//! Pods as Kubernetes has them: an instance of a service, a sidecar in front of it, and a name.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context;
use axum::http::Uri;
use sidecar::link::dial::Token;
use tokio_util::sync::CancellationToken;

use crate::demo::shop::{Service, Shop};
use crate::ports::{NoPort, listen_anywhere};
use crate::sidecars::{Ports, Sidecar};

/// Names as a Deployment makes them: the hash of its template, and five letters for each pod.
const NAMES: [(Service, &str); 8] = [
    (Service::Storefront, "storefront-5b8d6c7f9-2mnbv"),
    (Service::Storefront, "storefront-5b8d6c7f9-x8wqk"),
    (Service::Payments, "payments-7c9f4d6b8-h4jzt"),
    (Service::Payments, "payments-7c9f4d6b8-p9rlc"),
    (Service::Search, "search-64d8f9b5c7-5vgns"),
    (Service::Search, "search-64d8f9b5c7-zt7dm"),
    (Service::Legacy, "legacy-6c9f7d5b8-2kqxz"),
    (Service::Legacy, "legacy-6c9f7d5b8-8vw4n"),
];

/// The shoppers have left when the pods do; a visitor's request may take so long.
const FINISH_WITHIN: Duration = Duration::from_millis(700);

/// One pod, with its ports taken and nothing running yet.
#[derive(Debug)]
pub(crate) struct Pod {
    /// What it is a copy of.
    pub(crate) service: Service,
    /// What it is called.
    pub(crate) name: &'static str,
    /// Where it calls from, if this machine lets each pod have an address of its own.
    pub(crate) address: Option<IpAddr>,
    /// Where its sidecar takes requests.
    pub(crate) entrance: SocketAddr,
    /// Where its sidecar tells how it is.
    pub(crate) admin: SocketAddr,
    inside: SocketAddr,
    inside_listener: TcpListener,
    ports: Ports,
}

/// Takes the ports of all pods: two of each service.
pub(crate) fn bind_all() -> Result<Vec<Pod>, NoPort> {
    NAMES.iter().zip(1..).map(|((service, name), number)| Pod::bind(*service, name, address(number))).collect()
}

/// An address for each pod, as in a cluster. On Linux all of 127.0.0.0/8 is this machine's; where it is not, pods call
/// from the address that everybody has, and nobody can tell them from the shoppers.
fn address(number: u8) -> Option<IpAddr> {
    let address = IpAddr::from([127, 87, 0, number]);
    TcpListener::bind((address, 0)).is_ok().then_some(address)
}

impl Pod {
    fn bind(service: Service, name: &'static str, address: Option<IpAddr>) -> Result<Self, NoPort> {
        let (inside_listener, inside) = listen_anywhere()?;
        let (traffic, entrance) = listen_anywhere()?;
        let (admin_listener, admin) = listen_anywhere()?;
        let ports = Ports { traffic, admin: admin_listener };
        Ok(Self { service, name, address, entrance, admin, inside, inside_listener, ports })
    }

    /// Runs until drained: the sidecar leaves first, so that what is under way still finds the service there.
    pub(crate) async fn run(self, shop: Shop, control_plane: Uri, drain: CancellationToken) -> anyhow::Result<()> {
        let sidecar = Sidecar {
            service: self.service.name().to_owned(),
            pod: self.name.to_owned(),
            address: self.address,
            pods_in_process: NonZeroU32::new(NAMES.len() as u32),
            target: self.inside,
            control_plane,
            token: Token::None,
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
