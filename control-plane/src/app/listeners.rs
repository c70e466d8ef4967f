//! The bound ports of a control plane, and how connections are accepted on them.

use std::net::TcpListener;

use anyhow::{Context, bail};
use socket2::SockRef;

use crate::app::options::AppOptions;

/// The length of the kernel's accept queue, as far as the kernel grants it: a whole fleet reconnects at once, and a
/// client that finds no room retries only after a second.
const BACKLOG: i32 = 16_384;

/// The bound ports.
#[derive(Debug)]
pub struct AppListeners {
    /// For the dashboard and the API.
    pub http: TcpListener,
    /// For sidecars.
    pub grpc: TcpListener,
    /// For the admission webhook, if there is one.
    pub webhook: Option<TcpListener>,
}

impl AppListeners {
    /// Refuses ports that other machines reach without any sign-in.
    pub(super) fn check_sign_in(&self, options: &AppOptions) -> anyhow::Result<()> {
        let (http_address, grpc_address) = (self.http.local_addr()?, self.grpc.local_addr()?);
        let is_open = options.token.is_none() && !options.sign_in.is_given();
        let is_grpc_open = options.token.is_none() && options.service_accounts.is_none();
        if (is_open && !http_address.ip().is_loopback()) || (is_grpc_open && !grpc_address.ip().is_loopback()) {
            bail!("a control plane that listens on other addresses than loopback needs a sign-in, and a token for sidecars");
        }
        Ok(())
    }
}

/// Accepts connections on a bound port.
pub(super) fn listen(listener: TcpListener) -> anyhow::Result<tokio::net::TcpListener> {
    // The standard library binds with a queue of 128.
    SockRef::from(&listener).listen(BACKLOG).context("set the listener's backlog")?;
    listener.set_nonblocking(true).context("register a listener with tokio")?;
    tokio::net::TcpListener::from_std(listener).context("register a listener with tokio")
}
