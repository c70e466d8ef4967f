//! Where a control plane of this machine is: its ports on loopback, and a folder for its data that may go with it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context;
use axum::http::Uri;
use control_plane::control_plane::Listeners;

use crate::place::temporary::Temporary;
use crate::ports::{LOOPBACK, listen};

mod temporary;

/// Where dashboard and API are unless somebody says otherwise, and where the commands that ask look for them.
pub(crate) const HTTP_PORT: u16 = 8090;

/// Where the control plane listens and what it keeps.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Place {
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

/// A place that is ours, with nothing running there yet. Who connects already waits in the kernel.
#[derive(Debug)]
pub(crate) struct Taken {
    http: TcpListener,
    grpc: TcpListener,
    dashboard: SocketAddr,
    stream: SocketAddr,
    home: Home,
}

/// Where the data is. A temporary folder is removed when this is dropped.
#[derive(Debug)]
pub(crate) enum Home {
    /// Named by a person, and kept.
    Given(PathBuf),
    /// Made here.
    Temporary(Temporary),
}

impl Place {
    /// Takes the ports, and makes the folder.
    pub(crate) fn take(&self) -> anyhow::Result<Taken> {
        let http = listen(SocketAddr::new(LOOPBACK, self.http_port), "--http-port")?;
        let grpc = listen(SocketAddr::new(LOOPBACK, self.grpc_port), "--grpc-port")?;
        let (dashboard, stream) = (http.local_addr()?, grpc.local_addr()?);
        let home = Home::make(self.data_dir.as_deref())?;
        Ok(Taken { http, grpc, dashboard, stream, home })
    }
}

impl Taken {
    /// Where the dashboard and the API are.
    pub(crate) fn dashboard(&self) -> SocketAddr {
        self.dashboard
    }

    /// What sidecars dial.
    pub(crate) fn stream_url(&self) -> Uri {
        format!("http://{}", self.stream).parse().expect("an address and a port make a URL")
    }

    /// What to listen on, and the folder that must be kept as long as somebody does.
    pub(crate) fn into_parts(self) -> (Listeners, Home) {
        (Listeners { http: self.http, grpc: self.grpc }, self.home)
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

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Given(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
