//! Starts a control plane for the benchmarked sidecar, sets a rule and reads its counts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::process::Proxy;
use crate::programs::{free_port, ours};

/// How long a pod may take to apply a rule.
const OBEY_TIMEOUT: Duration = Duration::from_secs(20);

/// A running control plane; killed when it is dropped.
pub struct ControlPlaneProcess {
    process: Proxy,
    api: SocketAddr,
    /// The address that sidecars attach to.
    pub stream: SocketAddr,
}

impl ControlPlaneProcess {
    /// Starts a control plane on a core, with its data in an existing folder.
    pub fn start(folder: &Path, core: usize) -> anyhow::Result<Self> {
        Self::start_with(folder, core, &[])
    }

    /// The same, with these variables in its environment.
    pub fn start_with(folder: &Path, core: usize, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let (api, stream) = (free_port()?, free_port()?);
        let mut command = Command::new(ours("sitio-control-plane")?);
        command
            .env("SITIO_HTTP_ADDR", api.to_string())
            .env("SITIO_GRPC_ADDR", stream.to_string())
            .env("SITIO_DATA_DIR", folder.join("data"))
            .envs(variables.iter().copied());
        let mut process = Proxy::start(&mut command, core)?;
        process.wait_for(stream).context("the control plane")?;
        Ok(Self { process, api, stream })
    }

    /// Its process.
    pub fn process(&self) -> &Proxy {
        &self.process
    }

    /// Turns an endpoint of a service off, and returns when its pod has applied the rule.
    pub fn turn_off(&self, service: &str, method: &str, route: &str) -> anyhow::Result<()> {
        let order = json!({"service": service, "method": method, "route": route, "action": {"disable": {"status": 503}},
                           "ttl": "1h", "reason": "a rule is to be in force", "allow_unseen": true});
        let deadline = Instant::now() + OBEY_TIMEOUT;
        let id = loop {
            let rule = self.ask("POST", "/api/v1/rules", &order.to_string())?;
            if let Some(id) = rule["id"].as_str() {
                break id.to_owned();
            }
            // The control plane does not know the service before its first pod has reported.
            ensure!(Instant::now() < deadline, "the control plane has made no rule after {OBEY_TIMEOUT:?}: {rule}");
            std::thread::sleep(Duration::from_millis(50));
        };
        loop {
            let rule = self.ask("GET", &format!("/api/v1/rules/{id}"), "")?;
            let pods = rule["pods"].as_array().map(Vec::as_slice).unwrap_or_default();
            if !pods.is_empty() && pods.iter().all(|pod| pod["state"] == "applied") {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the pod does not obey after {OBEY_TIMEOUT:?}: {rule}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Hits of all endpoints.
    pub fn hits(&self) -> anyhow::Result<u64> {
        let reported = self.ask("GET", "/api/v1/endpoints", "")?;
        let rows = reported["endpoints"].as_array().context("the answer has no endpoints")?;
        Ok(rows.iter().filter_map(|row| row["hits"].as_u64()).sum())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let mut stream = TcpStream::connect(self.api).context("connect to the control plane")?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.api,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.find('{').zip(answer.rfind('}')).with_context(|| format!("the answer has no JSON: {answer}"))?;
        Ok(serde_json::from_str(&answer[body.0..=body.1])?)
    }
}
