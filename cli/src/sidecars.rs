//! Sidecars that run inside this process, with settings for a local machine instead of a cluster.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use sidecar::config::SidecarOptions;
use sidecar::control_client::dial::{ControlPlaneTarget, StreamToken};
use sidecar::decorator::not_found_page::{NotFoundPage, NotFoundSource};
use sidecar::identity::PodDescription;
use sidecar::sidecar::{SidecarListeners, run};
use sidecar::tls::ClientTls;
use tokio_util::sync::CancellationToken;

/// One worker thread for each sidecar: far more than the load on a developer's machine needs.
const WORKERS: usize = 1;

/// No load balancer has to notice that a pod stops, so listeners close at once.
const DRAIN_GRACE: Duration = Duration::ZERO;

/// The settings of one sidecar.
#[derive(Debug, Clone)]
pub(crate) struct ListedSidecar {
    /// The service that it is in front of.
    pub(crate) service: String,
    /// The name of its pod.
    pub(crate) pod: String,
    /// The source address of the pod's requests, if it is unique to the pod.
    pub(crate) address: Option<IpAddr>,
    /// The number of pods in this process; `None` if this is the only one.
    pub(crate) pods_in_process: Option<NonZeroU32>,
    /// The address where the service listens.
    pub(crate) target: SocketAddr,
    /// The URL of the control plane's stream.
    pub(crate) control_plane: Uri,
    /// The token for the control plane.
    pub(crate) token: StreamToken,
    /// The page that replaces the service's 404 responses, if there is one.
    pub(crate) not_found_page: Option<NotFoundSource>,
    /// The time for exchanges in flight to finish once a drain has begun.
    pub(crate) drain_timeout: Duration,
}

/// The bound listeners of a sidecar.
#[derive(Debug)]
pub(crate) struct Ports {
    /// For requests.
    pub(crate) traffic: TcpListener,
    /// For health and metrics.
    pub(crate) admin: TcpListener,
}

impl ListedSidecar {
    /// Runs until drained.
    pub(crate) async fn run(self, ports: Ports, drain: CancellationToken) -> anyhow::Result<()> {
        let node = hostname::get().ok().map(|name| name.to_string_lossy().into_owned());
        let addresses = self.address.map(|address| vec![address]);
        let named =
            PodDescription { pod: Some(self.pod), service: Some(self.service), node, addresses, ..PodDescription::default() };
        let mut options = SidecarOptions::new(named, self.target);
        options.control_plane =
            Some(ControlPlaneTarget { uri: self.control_plane, token: self.token, tls: ClientTls::default() });
        options.workers = Some(WORKERS);
        options.pods_in_process = self.pods_in_process;
        options.drain_grace = DRAIN_GRACE;
        options.drain_timeout = self.drain_timeout;
        if let Some(page) = self.not_found_page {
            options.proxy.decorators.push(Arc::new(NotFoundPage::from_source(&page)?));
        }
        run(options, SidecarListeners { traffic: ports.traffic, admin: ports.admin }, drain).await
    }
}
