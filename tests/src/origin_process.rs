//! Runs the origin as its own process, which can be killed and restarted on the same port.

use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use crate::eventually::{SOON, eventually};
use crate::process::{Process, program};
use crate::reserved_port::ReservedPort;

/// An origin process that can crash.
pub struct OriginProcess {
    process: Process,
    reserved: ReservedPort,
}

impl OriginProcess {
    /// Starts it on a reserved port.
    #[track_caller]
    pub fn start() -> Self {
        let reserved = ReservedPort::reserve();
        Self { process: started(reserved.port), reserved }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.reserved.port
    }

    /// Kills it, as a crash would, with all its connections.
    pub fn crash(&mut self) {
        self.process.kill();
    }

    /// Restarts it, and returns the instant at which it accepts connections.
    #[track_caller]
    pub fn restart(&mut self) -> Instant {
        self.process = started(self.port());
        eventually(SOON, || Ok(TcpStream::connect(("127.0.0.1", self.port()))?));
        Instant::now()
    }
}

#[track_caller]
fn started(port: u16) -> Process {
    let mut command = Command::new(program("origin"));
    command.arg(port.to_string());
    let mut process = Process::start(command);
    process.line("where it listens", |line| line.starts_with("listening on ").then_some(()));
    process
}
