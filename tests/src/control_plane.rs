//! Runs a real control plane process, which can crash and restart on the same ports.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::api::Api;
use crate::process::{Process, program};
use crate::reserved_port::ReservedPort;
use crate::sidecar::port_after;

/// A running `sitio-control-plane` with its own data folder and ports.
pub struct ControlPlane {
    /// The process.
    pub process: Process,
    /// The port of its pages and its API.
    pub http_port: u16,
    /// The port to which sidecars connect.
    pub grpc_port: u16,
    home: Home,
}

/// What outlives the process. The ports stay reserved: otherwise another program could take them during a restart.
struct Home {
    http: ReservedPort,
    grpc: ReservedPort,
    data: TempDir,
    settings: Vec<(String, String)>,
}

impl ControlPlane {
    /// Starts a control plane on free ports, with an empty folder.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with these settings besides, after each restart, too.
    #[track_caller]
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let home = Home { http: ReservedPort::reserve(), grpc: ReservedPort::reserve(), data, settings };
        Self { process: home.start(), http_port: home.http.port, grpc_port: home.grpc.port, home }
    }

    /// Restarts it on the same ports and folder, after its end.
    #[track_caller]
    pub fn restart(&mut self) {
        self.process = self.home.start();
    }

    /// Restarts it with these settings besides, from now on.
    #[track_caller]
    pub fn restart_with(&mut self, settings: &[(&str, &str)]) {
        self.home.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.restart();
    }

    /// Takes the data folder of another control plane in the place of its own; both have ended.
    pub fn take_folder_of(&mut self, other: Self) {
        self.home.data = other.home.data;
    }

    /// Begins with an empty data folder at the next restart.
    pub fn empty_folder(&mut self) {
        self.home.data = tempfile::tempdir().expect("a temporary folder");
    }

    /// Loses what is in its store, as a damaged file system may; it has ended.
    pub fn lose_store(&self) {
        fs::write(self.home.data.path().join("sitio.redb"), "").expect("the folder is ours");
    }

    /// A client of its API.
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
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
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

/// The ports that a control plane logs: HTTP, then gRPC.
#[track_caller]
pub fn ports(process: &mut Process) -> (u16, u16) {
    (
        process.line("its http port", |line| port_after(line, "http=")),
        process.line("its grpc port", |line| port_after(line, "grpc=")),
    )
}
