//! A control plane inside this process, on this machine's loopback, with its data in a folder that goes with it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context;
use axum::http::Uri;
use control_plane::control_plane::{Listeners, Options, run};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::ports::{LOOPBACK, listen};

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

/// A control plane with its ports taken and nothing running yet.
#[derive(Debug)]
pub(crate) struct Embedded {
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
    Temporary(TempDir),
}

impl Embedded {
    /// Takes the ports, and makes the folder.
    pub(crate) fn bind(place: &Place) -> anyhow::Result<Self> {
        let http = listen(SocketAddr::new(LOOPBACK, place.http_port), "--http-port")?;
        let grpc = listen(SocketAddr::new(LOOPBACK, place.grpc_port), "--grpc-port")?;
        let (dashboard, stream) = (http.local_addr()?, grpc.local_addr()?);
        let home = Home::make(place.data_dir.as_deref())?;
        Ok(Self { http, grpc, dashboard, stream, home })
    }

    /// Where the dashboard and the API are.
    pub(crate) fn dashboard(&self) -> SocketAddr {
        self.dashboard
    }

    /// What sidecars dial.
    pub(crate) fn stream_url(&self) -> Uri {
        format!("http://{}", self.stream).parse().expect("an address and a port make a URL")
    }

    /// What is to be run until it is drained, and the folder that must be kept until then.
    pub(crate) fn into_parts(
        self,
        drain: CancellationToken,
    ) -> (impl Future<Output = anyhow::Result<()>> + Send + 'static, Home) {
        let options = Options::in_folder(self.home.path());
        let listeners = Listeners { http: self.http, grpc: self.grpc };
        (run(options, listeners, drain), self.home)
    }
}

impl Home {
    fn make(given: Option<&Path>) -> anyhow::Result<Self> {
        let Some(folder) = given else {
            return Ok(Self::Temporary(TempDir::with_prefix("sitio-").context("make a temporary folder for the data")?));
        };
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        Ok(Self::Given(folder.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
