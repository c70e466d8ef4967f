//! Runs one service on a few pods, each behind a sidecar that is connected to a control plane.

use crate::api::Api;
use crate::cli::{CommandOutput, client_command, run};
use crate::control_plane::ControlPlane;
use crate::origin::Origin;
use crate::sidecar::Sidecar;

/// A mesh of one service.
pub struct SmallMesh {
    /// The pods' sidecars. They are dropped first, so that none of them connects to a port that another program has
    /// taken.
    pub pods: Vec<Sidecar>,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// The service behind all pods.
    pub origin: Origin,
    /// The names of the pods, in the same order.
    pub names: Vec<String>,
    service: &'static str,
}

impl SmallMesh {
    /// Starts a service on `pods` pods, and waits until all are connected.
    #[track_caller]
    pub fn start(service: &'static str, pods: usize) -> Self {
        Self::of(ControlPlane::start(), service, pods)
    }

    /// The same with this control plane.
    #[track_caller]
    pub fn of(control_plane: ControlPlane, service: &'static str, pods: usize) -> Self {
        let origin = Origin::start();
        let mut mesh = Self { pods: Vec::new(), control_plane, origin, names: Vec::new(), service };
        for at in 0..pods {
            let name = format!("{service}-{at}");
            mesh.pods.push(mesh.another_pod(&name));
            mesh.names.push(name);
        }
        mesh.api().expect_pods(&mesh.names());
        mesh
    }

    /// Starts another pod, without waiting for its connection.
    #[track_caller]
    pub fn another_pod(&self, name: &str) -> Sidecar {
        Sidecar::builder(self.origin.port()).named(self.service, name).reports_to(self.control_plane.grpc_port).start()
    }

    /// A client of the control plane's API.
    pub fn api(&self) -> Api {
        self.control_plane.api()
    }

    /// Runs `sitio` with these arguments against this mesh's control plane.
    #[track_caller]
    pub fn sitio(&self, arguments: &[&str]) -> CommandOutput {
        run(client_command(self.control_plane.http_port, arguments))
    }

    /// The names of its pods.
    pub fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}
