//! A real control plane, which can crash and come back.

use std::process::Command;

use tempfile::TempDir;

use crate::api::Api;
use crate::process::Process;
use crate::programs::program;
use crate::reserved::Reserved;
use crate::sidecar::port_after;

/// A running `sitio-control-plane` with a folder and ports of its own.
pub struct ControlPlane {
    /// The process.
    pub process: Process,
    /// Where its pages and its API are.
    pub http_port: u16,
    /// Where sidecars attach.
    pub grpc_port: u16,
    home: Home,
}

/// What outlives the process: without it, another program could take the ports between two lives.
struct Home {
    http: Reserved,
    grpc: Reserved,
    data: TempDir,
}

impl ControlPlane {
    /// Starts one on free ports, with an empty folder.
    #[track_caller]
    pub fn start() -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let home = Home { http: Reserved::port(), grpc: Reserved::port(), data };
        Self { process: home.start(), http_port: home.http.port, grpc_port: home.grpc.port, home }
    }

    /// Starts it again where it was, after its end.
    #[track_caller]
    pub fn come_back(&mut self) {
        self.process = self.home.start();
    }

    /// Its API.
    pub fn api(&self) -> Api {
        Api::at(self.http_port)
    }
}

impl Home {
    #[track_caller]
    fn start(&self) -> Process {
        let mut command = bare();
        command.env("SITIO_HTTP_ADDR", format!("127.0.0.1:{}", self.http.port));
        command.env("SITIO_GRPC_ADDR", format!("127.0.0.1:{}", self.grpc.port));
        command.env("SITIO_DATA_DIR", self.data.path());
        let mut process = Process::start(command);
        assert_eq!(ports(&mut process), (self.http.port, self.grpc.port));
        process
    }
}

/// The command with an empty environment and free ports on loopback.
pub fn bare() -> Command {
    let mut command = Command::new(program("sitio-control-plane"));
    command.env_clear().env("NO_COLOR", "1").env("RUST_LOG", "info");
    command.env("SITIO_HTTP_ADDR", "127.0.0.1:0").env("SITIO_GRPC_ADDR", "127.0.0.1:0");
    command
}

/// The ports that a control plane says it listens on, first of HTTP, then of gRPC.
#[track_caller]
pub fn ports(process: &mut Process) -> (u16, u16) {
    (
        process.line("its http port", |line| port_after(line, "http=")),
        process.line("its grpc port", |line| port_after(line, "grpc=")),
    )
}
