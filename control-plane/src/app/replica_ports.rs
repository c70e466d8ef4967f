//! The bound ports of a replica, which stay bound while it changes its role.

use std::net::TcpListener;

use anyhow::bail;

use crate::app::options::AppOptions;
use crate::replication::peer::Purpose;

/// The ports.
pub(super) struct ReplicaPorts {
    pub(super) http: TcpListener,
    pub(super) grpc: TcpListener,
    pub(super) webhook: Option<TcpListener>,
    pub(super) peers: TcpListener,
}

impl ReplicaPorts {
    /// The ports whose connections a replica forwards that does not lead.
    pub(super) fn forwarded(&self) -> impl Iterator<Item = (&TcpListener, Purpose)> {
        let webhook = self.webhook.iter().map(|port| (port, Purpose::Webhook));
        [(&self.http, Purpose::Http), (&self.grpc, Purpose::Grpc)].into_iter().chain(webhook)
    }

    /// Refuses a CA that the replicas cannot share.
    pub(super) fn check(&self, options: &AppOptions) -> anyhow::Result<()> {
        if self.needs_ca(options)? && options.token.is_none() {
            bail!(
                "several control planes share one CA, whose key is sealed with the token: set SITIO_TOKEN to the same value on all of \
                 them, or SITIO_TLS_CERT_FILE and SITIO_TLS_KEY_FILE to one certificate"
            );
        }
        Ok(())
    }

    /// Whether the control plane's own CA signs anything.
    pub(super) fn needs_ca(&self, options: &AppOptions) -> anyhow::Result<bool> {
        let is_secured = !self.grpc.local_addr()?.ip().is_loopback() && !options.tls.names_a_certificate();
        Ok(is_secured || options.webhook.is_some())
    }
}
