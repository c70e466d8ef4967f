//! Ports on loopback and the data folder of a control plane on this machine.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context;
use axum::http::Uri;
use control_plane::app::listeners::AppListeners;

use crate::data_dir::temporary::Temporary;
use crate::ports::{LOOPBACK, listen};

mod temporary;

/// The default port of dashboard and API, which client commands use too.
pub(crate) const HTTP_PORT: u16 = 8090;

/// Options for the control plane's ports and data folder.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct ControlPlaneOptions {
    /// Port of the dashboard and the API.
    #[arg(long, value_name = "PORT", default_value_t = HTTP_PORT)]
    pub(crate) http_port: u16,
    /// Port on which sidecars keep their streams.
    #[arg(long, value_name = "PORT", default_value_t = 8091)]
    pub(crate) grpc_port: u16,
    /// Folder for rules and audit entries [default: a temporary one, removed at the end].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// The bound ports and the data folder, before anything runs. Early connections wait in the kernel.
#[derive(Debug)]
pub(crate) struct BoundPorts {
    http: TcpListener,
    grpc: TcpListener,
    dashboard: SocketAddr,
    stream: SocketAddr,
    home: Home,
}

/// The data folder. A temporary one is removed on drop.
#[derive(Debug)]
pub(crate) enum Home {
    /// Given by the user, and kept.
    Given(PathBuf),
    /// Created here.
    Temporary(Temporary),
}

impl ControlPlaneOptions {
    /// Binds the ports and creates the folder.
    pub(crate) fn take(&self) -> anyhow::Result<BoundPorts> {
        let http = listen(SocketAddr::new(LOOPBACK, self.http_port), "--http-port")?;
        let grpc = listen(SocketAddr::new(LOOPBACK, self.grpc_port), "--grpc-port")?;
        let (dashboard, stream) = (http.local_addr()?, grpc.local_addr()?);
        let home = Home::make(self.data_dir.as_deref())?;
        Ok(BoundPorts { http, grpc, dashboard, stream, home })
    }
}

impl BoundPorts {
    /// The address of the dashboard and the API.
    pub(crate) fn dashboard(&self) -> SocketAddr {
        self.dashboard
    }

    /// The URL that sidecars connect to.
    pub(crate) fn stream_url(&self) -> Uri {
        format!("http://{}", self.stream).parse().expect("an address and a port make a URL")
    }

    /// The listeners, and the folder, which must exist as long as the control plane runs.
    pub(crate) fn into_parts(self) -> (AppListeners, Home) {
        (AppListeners { http: self.http, grpc: self.grpc, webhook: None }, self.home)
    }
}

impl Home {
    fn make(given: Option<&Path>) -> anyhow::Result<Self> {
        let Some(folder) = given else {
            return Temporary::make().map(Self::Temporary);
        };
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        Ok(Self::Given(folder.to_owned()))
    }

    /// The path of the folder.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Given(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
