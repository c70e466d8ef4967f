//! The origin as a process of its own, which can be killed and come back where it was.

use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use crate::eventually::{SOON, eventually};
use crate::process::Process;
use crate::programs::program;
use crate::reserved::Reserved;

/// A service that can crash.
pub struct Service {
    process: Process,
    reserved: Reserved,
}

impl Service {
    /// Starts one on a port that stays its own.
    #[track_caller]
    pub fn start() -> Self {
        let reserved = Reserved::port();
        Self { process: started(reserved.port), reserved }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.reserved.port
    }

    /// Ends it as a crash would, connections and all.
    pub fn crash(&mut self) {
        self.process.kill();
    }

    /// Starts it again, and tells from when on it accepts connections.
    #[track_caller]
    pub fn come_back(&mut self) -> Instant {
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
