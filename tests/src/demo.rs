//! Runs a real `sitio demo` on free ports.

use std::process::Command;

use rustix::process::Pid;

use crate::api::Api;
use crate::process::{Process, program};

/// A running demo.
pub struct Demo {
    /// The process.
    pub process: Process,
    /// The port of the dashboard.
    pub http_port: u16,
    /// The ports of the sidecars of the two `legacy` pods.
    pub legacy_ports: Vec<u16>,
}

impl Demo {
    /// Starts a demo with these additional arguments, and waits until it reports that it is up.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(program("sitio"));
        command.env_clear().env("NO_COLOR", "1").env("RUST_LOG", "info");
        command.args(["demo", "--http-port", "0", "--grpc-port", "0"]).args(arguments);
        let mut process = Process::start(command);
        let http_port = process.line("where its dashboard is", |line| port(line.split("Dashboard").nth(1)?));
        process.line("how it ends", |line| line.contains("Ctrl-C ends everything").then_some(()));
        let said = process.stdout();
        let export = |line: &String| line.trim_end().ends_with("/legacy/export").then(|| port(line)).flatten();
        let legacy_ports = said.iter().filter_map(export).collect();
        Self { process, http_port, legacy_ports }
    }

    /// A client of its control plane's API.
    pub fn api(&self) -> Api {
        Api::at(self.http_port)
    }

    /// The process id of its control plane, as last printed.
    #[track_caller]
    pub fn control_plane(&self) -> Pid {
        let number =
            |line: &String| line.split("process ").nth(1)?.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok();
        let output = self.process.stdout().iter().rev().find_map(number);
        output.and_then(Pid::from_raw).expect("the demo prints the process of its control plane")
    }
}

/// The port in the first URL of a line.
pub fn port(line: &str) -> Option<u16> {
    let address = line.split("http://").nth(1)?;
    address.split(':').nth(1)?.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
