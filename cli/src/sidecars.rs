//! Sidecars inside this process, told what matters here and not in a cluster.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use sidecar::config::NotFoundPage;
use sidecar::decorator::Decorator;
use sidecar::decorator::not_found_page;
use sidecar::identity::{Identity, Named};
use sidecar::link::dial::{ControlPlane, Token};
use sidecar::sidecar::{Listeners, Options, run};
use tokio_util::sync::CancellationToken;

/// One thread for each: what a person's machine carries here, one thread carries many times over.
const WORKERS: usize = 1;

/// No load balancer has to learn that a pod is leaving, so nothing more is accepted at once.
const DRAIN_GRACE: Duration = Duration::ZERO;

/// One sidecar.
#[derive(Debug, Clone)]
pub(crate) struct Sidecar {
    /// The service that it stands before.
    pub(crate) service: String,
    /// The pod that it is in.
    pub(crate) pod: String,
    /// Where the pod calls from, if that tells it from all others.
    pub(crate) address: Option<IpAddr>,
    /// How many pods are in this process, if it is not the only one.
    pub(crate) pods_in_process: Option<NonZeroU32>,
    /// Where the service listens.
    pub(crate) target: SocketAddr,
    /// What to dial.
    pub(crate) control_plane: Uri,
    /// What to show there.
    pub(crate) token: Token,
    /// What replaces the service's 404s, if anything does.
    pub(crate) not_found_page: Option<NotFoundPage>,
    /// How long exchanges under way may take to finish once a drain has begun.
    pub(crate) drain_timeout: Duration,
}

/// Ports that were taken for a sidecar.
#[derive(Debug)]
pub(crate) struct Ports {
    /// For requests.
    pub(crate) traffic: TcpListener,
    /// For health and numbers.
    pub(crate) admin: TcpListener,
}

impl Sidecar {
    /// Runs until drained.
    pub(crate) async fn run(self, ports: Ports, drain: CancellationToken) -> anyhow::Result<()> {
        let node = hostname::get().ok().map(|name| name.to_string_lossy().into_owned());
        let addresses = self.address.map(|address| vec![address]);
        let named = Named { pod: Some(self.pod), service: Some(self.service), node, addresses, ..Named::default() };
        let mut options = Options::new(Identity::new(named), self.target);
        options.control_plane = Some(ControlPlane { uri: self.control_plane, token: self.token });
        options.workers = Some(WORKERS);
        options.pods_in_process = self.pods_in_process;
        options.drain_grace = DRAIN_GRACE;
        options.drain_timeout = self.drain_timeout;
        if let Some(page) = self.not_found_page {
            options.decorators.push(decorator(&page)?);
        }
        run(options, Listeners { traffic: ports.traffic, admin: ports.admin }, drain).await
    }
}

fn decorator(page: &NotFoundPage) -> anyhow::Result<Arc<dyn Decorator>> {
    Ok(Arc::new(match page {
        NotFoundPage::BuiltIn => not_found_page::NotFoundPage::built_in(),
        NotFoundPage::File(path) => not_found_page::NotFoundPage::from_file(path)?,
    }))
}
