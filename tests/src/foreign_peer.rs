//! Clients and services in other languages, with the HTTP libraries of those languages.

use std::process::Command;

use crate::eventually::SOON;
use crate::process::{Process, file};

/// A language: selects the interpreter and the file extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `http.client` and `http.server`.
    Python,
    /// `node:http`.
    Node,
}

/// A running service.
pub struct PeerService {
    _process: Process,
    /// The port it listens on.
    pub port: u16,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::Python, Self::Node];

    /// Starts the service `services/{name}` in this language.
    #[track_caller]
    pub fn serve(self, name: &str) -> PeerService {
        let mut process = Process::start(self.script(name));
        let port = process.line("where it listens", |line| line.strip_prefix("listening on ")?.parse().ok());
        PeerService { _process: process, port }
    }

    /// Runs `services/client` against a port, and returns its output lines.
    #[track_caller]
    pub fn talk(self, port: u16) -> Vec<String> {
        let mut command = self.script("client");
        command.arg(port.to_string());
        let mut process = Process::start(command);
        let status = process.ended(SOON);
        assert!(status.success(), "{self:?}: {status}: {}", process.stderr().join("\n"));
        process.stdout()
    }

    fn script(self, name: &str) -> Command {
        let (program, ending) = match self {
            Self::Python => ("python3", "py"),
            Self::Node => ("node", "mjs"),
        };
        let mut command = Command::new(program);
        command.arg(file(&format!("services/{name}.{ending}")));
        command
    }
}

/// Runs curl quietly; returns its standard output (bodies and `--write-out`) and standard error.
#[track_caller]
pub fn curl(arguments: &[&str]) -> (String, String) {
    let mut command = Command::new("curl");
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"]).args(arguments);
    let output = command.output().expect("curl is installed");
    let [said, complained] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "curl {arguments:?}: {}: {complained}", output.status);
    (said, complained)
}
