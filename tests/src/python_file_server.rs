//! Runs Python's file server, the service of the first article, on a folder of files.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::process::Process;
use crate::reserved_port::ReservedPort;

/// A running `python3 -m http.server`, which can crash and be started again on the same port.
pub struct PythonFileServer {
    process: Process,
    files: TempDir,
    reserved: ReservedPort,
}

impl PythonFileServer {
    /// Starts it on a free port with an empty folder.
    #[track_caller]
    pub fn start() -> Self {
        let files = tempfile::tempdir().expect("a temporary folder");
        let reserved = ReservedPort::reserve();
        Self { process: started(reserved.port, files.path()), files, reserved }
    }

    /// Kills it, as a crash would.
    pub fn crash(&mut self) {
        self.process.kill();
    }

    /// Starts it again.
    #[track_caller]
    pub fn restart(&mut self) {
        self.process = started(self.reserved.port, self.files.path());
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.reserved.port
    }

    /// Puts a file into its folder.
    pub fn put(&self, name: impl AsRef<Path>, content: &[u8]) {
        fs::write(self.files.path().join(name), content).expect("the folder can be written to");
    }
}

#[track_caller]
fn started(port: u16, files: &Path) -> Process {
    let mut command = Command::new("python3");
    command.args(["-u", "-m", "http.server", &port.to_string(), "--bind", "127.0.0.1", "--directory"]).arg(files);
    let mut process = Process::start(command);
    process.line("its port", |line| line.contains(&format!(" port {port} ")).then_some(()));
    process
}
