//! Runs Python's file server, the service of the first article, on a folder of files.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::process::Process;

/// A running `python3 -m http.server`.
pub struct PythonFileServer {
    _process: Process,
    files: TempDir,
    port: u16,
}

impl PythonFileServer {
    /// Starts it on a free port with an empty folder.
    #[track_caller]
    pub fn start() -> Self {
        let files = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("python3");
        command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(files.path());
        let mut process = Process::start(command);
        let port = process.line("its port", |line| line.split(" port ").nth(1)?.split(' ').next()?.parse().ok());
        Self { _process: process, files, port }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Puts a file into its folder.
    pub fn put(&self, name: impl AsRef<Path>, content: &[u8]) {
        fs::write(self.files.path().join(name), content).expect("the folder can be written to");
    }
}
