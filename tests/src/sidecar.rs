//! Runs a real sidecar process in front of a service.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;

use crate::client::{Client, Response};
use crate::eventually::{SOON, eventually};
use crate::process::{Process, program};
use crate::vanishing_host::VanishingHost;

/// A running `sitio-sidecar`.
pub struct Sidecar {
    /// The process.
    pub process: Process,
    /// The port for requests.
    pub port: u16,
    /// The port of its admin endpoints.
    pub admin_port: u16,
}

/// The settings of a sidecar to start.
pub struct SidecarBuilder {
    command: Command,
}

impl Sidecar {
    /// Starts a sidecar in front of the service on `target_port`, with default settings.
    #[track_caller]
    pub fn in_front_of(target_port: u16) -> Self {
        Self::builder(target_port).start()
    }

    /// The settings of a sidecar, to add more before it starts.
    pub fn builder(target_port: u16) -> SidecarBuilder {
        let mut command = bare();
        command.env("TARGET_PORT", target_port.to_string());
        SidecarBuilder { command }
    }

    /// Opens a connection to it.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.port)
    }

    /// Sends one GET through it, on a new connection.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.connect().get(target)
    }

    /// The sum of a counter, over the lines that contain `label`.
    #[track_caller]
    pub fn metric(&self, name: &str, label: &str) -> u64 {
        let text = self.admin("/metrics").text();
        let lines = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name) && line.contains(label));
        // Prometheus writes all numbers as floating point; a count is exact up to 2^53.
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
    }

    /// Waits until no exchange is in flight.
    #[track_caller]
    pub fn expect_idle(&self) {
        eventually(SOON, || {
            let active = self.metric("http_server_active_requests", "");
            ensure!(active == 0, "{active} exchanges are under way");
            Ok(())
        });
    }

    /// Waits until exactly `expected` exchanges are counted with this status; fails if there are more.
    #[track_caller]
    pub fn expect_counted(&self, status: u16, expected: u64) {
        eventually(SOON, || {
            let counted = self.metric("sitio_requests_total", &format!("http_response_status_code=\"{status}\""));
            assert!(counted <= expected, "{counted} exchanges are counted as {status}, more than the {expected} that there were");
            ensure!(counted == expected, "{counted} exchanges are counted as {status}, not {expected}");
            Ok(())
        });
    }

    /// Sends one GET to its admin port.
    #[track_caller]
    pub fn admin(&self, target: &str) -> Response {
        Client::connect(self.admin_port).get(target)
    }
}

/// The command with an empty environment and free ports, without a target service.
pub fn bare() -> Command {
    let mut command = Command::new(program("sitio-sidecar"));
    command.env_clear().env("NO_COLOR", "1").env("RUST_LOG", "info");
    command.env("PORT", "0").env("SITIO_ADMIN_PORT", "0");
    // No load balancer has to notice the shutdown first.
    command.env("SITIO_DRAIN_GRACE", "50ms").env("SITIO_DRAIN_TIMEOUT", "5s");
    command
}

impl SidecarBuilder {
    /// Sets the control plane, by the port of its stream.
    #[must_use]
    pub fn reports_to(self, grpc_port: u16) -> Self {
        self.with("SITIO_CONTROL_PLANE", &format!("http://127.0.0.1:{grpc_port}"))
    }

    /// Sets the names of service and pod.
    #[must_use]
    pub fn named(self, service: &str, pod: &str) -> Self {
        self.with("SITIO_SERVICE", service).with("POD_NAME", pod)
    }

    /// Sets the page that replaces a 404: a file, or `built-in`.
    #[must_use]
    pub fn not_found_page(self, page: impl AsRef<Path>) -> Self {
        self.with("SITIO_NOT_FOUND_PAGE", &page.as_ref().to_string_lossy())
    }

    /// Limits its open descriptors.
    #[must_use]
    pub fn descriptors(self, count: u64) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("ulimit -n {count}; exec \"$0\"")]).arg(self.command.get_program()).env_clear();
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self { command }
    }

    /// Runs it on another host.
    #[must_use]
    pub fn on(self, host: &VanishingHost) -> Self {
        let mut command = host.command(&self.command.get_program().to_string_lossy());
        command.env_clear().envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // Where `ip` is found.
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Self { command }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts the sidecar, and waits until it listens.
    #[track_caller]
    pub fn start(self) -> Sidecar {
        let mut process = Process::start(self.command);
        let port = process.line("its port", |line| {
            line.split("listening for request in ").nth(1)?.split(' ').next()?.trim_end_matches(',').parse().ok()
        });
        let admin_port = process.line("its admin port", |line| port_after(line, "the admin port is "));
        Sidecar { process, port, admin_port }
    }
}

/// The port of the address after `name` in a log line.
pub(crate) fn port_after(line: &str, name: &str) -> Option<u16> {
    let address = line.split(name).nth(1)?.split([' ', ',']).next()?;
    address.rsplit(':').next()?.trim_end_matches(['/', '"']).parse().ok()
}
