//! Sets up the sidecar in front of a program, and a local control plane if no other is given.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use axum::http::Uri;
use sidecar::control_client::dial::StreamToken;
use sidecar::decorator::not_found_page::NotFoundSource;

use crate::data_dir::BoundPorts;
use crate::local_mesh::LocalMesh;
use crate::ports::{LOOPBACK, listen};
use crate::run::options::RunOptions;
use crate::sidecars::{ListedSidecar, Ports};
use crate::stdout::beside;

/// The time for exchanges in flight to finish after an interrupt: about as long as the program may take to end.
const FINISH_WITHIN: Duration = Duration::from_secs(7);

/// The setup with its ports bound and nothing running yet. Early connections wait in the kernel.
#[derive(Debug)]
pub(super) struct SidecarSetup {
    service: String,
    pod: String,
    entrance: SocketAddr,
    ports: Ports,
    control_plane: ControlPlaneAddress,
    not_found_page: Option<NotFoundSource>,
}

#[derive(Debug)]
enum ControlPlaneAddress {
    Elsewhere(Uri, StreamToken),
    Here(Box<BoundPorts>),
}

impl SidecarSetup {
    /// Binds the ports that the options name.
    pub(super) fn bind(options: &RunOptions, command: &OsStr) -> anyhow::Result<Self> {
        let traffic = listen(SocketAddr::new(options.address, options.port), "--port")?;
        let entrance = traffic.local_addr().context("read the port that was taken")?;
        let admin = listen(SocketAddr::new(LOOPBACK, options.admin_port), "--admin-port")?;
        let control_plane = match &options.control_plane {
            Some(url) => ControlPlaneAddress::Elsewhere(url.clone(), options.token()?),
            None => ControlPlaneAddress::Here(Box::new(options.place.take()?)),
        };
        let service = options.name.clone().unwrap_or_else(|| program_name(command));
        let pod = pod_name(&service, entrance.port());
        let not_found_page = options.not_found_page.clone();
        Ok(Self { service, pod, entrance, ports: Ports { traffic, admin }, control_plane, not_found_page })
    }

    /// Starts the sidecar, which forwards to `target`.
    pub(super) fn open(self, target: SocketAddr) -> LocalMesh {
        beside(&format!("sitio: {} is on http://{}, in front of {target}", self.service, self.entrance));
        let mut mesh = LocalMesh::default();
        let (control_plane, token) = match self.control_plane {
            ControlPlaneAddress::Elsewhere(url, token) => (url, token),
            ControlPlaneAddress::Here(place) => {
                beside(&format!("sitio: the dashboard is on http://{}", place.dashboard()));
                let url = place.stream_url();
                mesh.start_control_plane(*place);
                (url, StreamToken::None)
            }
        };
        let Self { service, pod, not_found_page, .. } = self;
        let sidecar = ListedSidecar {
            service,
            pod,
            address: None,
            pods_in_process: None,
            target,
            control_plane,
            token,
            not_found_page,
            drain_timeout: FINISH_WITHIN,
        };
        let drain = mesh.pods.drain();
        mesh.pods.start(sidecar.run(self.ports, drain));
        mesh
    }
}

/// The file name of a command: `python3` for `/usr/bin/python3`.
fn program_name(command: &OsStr) -> String {
    Path::new(command).file_name().unwrap_or(command).to_string_lossy().into_owned()
}

/// A pod name that is unique for each machine and port.
fn pod_name(service: &str, port: u16) -> String {
    let host = hostname::get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if host.is_empty() { format!("{service}-{port}") } else { format!("{service}-{host}-{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_after_its_program() {
        assert_eq!(program_name(OsStr::new("/usr/bin/python3")), "python3");
        assert_eq!(program_name(OsStr::new("./serve.sh")), "serve.sh");
    }
}
