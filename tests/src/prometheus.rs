//! Runs a real Prometheus that scrapes the programs of a scenario, and its linter.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::http_client;
use crate::process::Process;
use crate::reserved_port::ReservedPort;

/// A running `prometheus` with its own folder and port.
pub struct Prometheus {
    /// The process.
    pub process: Process,
    client: Client,
    port: ReservedPort,
    _home: TempDir,
}

/// Which kind of histograms it ingests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Histograms {
    /// A few buckets with configured bounds.
    Classic,
    /// Exponential buckets, requested in the protobuf format.
    Native,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes these local ports twice a second, each under a job name.
    #[track_caller]
    pub fn scraping(jobs: &[(&str, Vec<u16>)], histograms: Histograms) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let port = ReservedPort::reserve();
        let config = home.path().join("prometheus.yml");
        std::fs::write(&config, config_of(jobs)).expect("the folder takes a file");
        let mut command = Command::new("prometheus");
        command.env("GOMAXPROCS", "1");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", home.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{}", port.port));
        if histograms == Histograms::Native {
            command.arg("--enable-feature=native-histograms");
        }
        let client = http_client().timeout(Duration::from_secs(10)).build().expect("a client needs no network");
        Self { process: Process::start(command), client, port, _home: home }
    }

    /// The single number that a query returns.
    pub fn number(&self, query: &str) -> Result<f64> {
        let url = format!("http://127.0.0.1:{}/api/v1/query?query={}", self.port.port, encoded(query));
        let answer: Value = serde_json::from_str(&self.client.get(url).send()?.text()?)?;
        let result = answer["data"]["result"].as_array().with_context(|| format!("{query}: {answer}"))?;
        ensure!(result.len() == 1, "{query} gives {} series, not one: {answer}", result.len());
        let value = result[0]["value"][1].as_str().and_then(|value| value.parse().ok());
        value.with_context(|| format!("{query}: no number in {answer}"))
    }
}

/// Checks a metrics page with `promtool check metrics`.
#[track_caller]
pub fn lint(page: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("metrics.txt");
    std::fs::write(&path, page).expect("the folder takes a file");
    let file = File::open(&path).expect("it was just written");
    let output = Command::new("promtool").args(["check", "metrics"]).stdin(file).output().expect("promtool is installed");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "promtool: {}\n{page}", String::from_utf8_lossy(&said));
}

/// Checks the recording rules and alerts of a `PrometheusRule` with `promtool check rules`, and with these cases of
/// `promtool test rules`.
#[track_caller]
pub fn check_rules(path: &Path, cases: &Value) {
    let document: Value =
        serde_norway::from_str(&std::fs::read_to_string(path).expect("the rules are there")).expect("it is YAML");
    // JSON is YAML.
    let rules = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(rules.path(), document["spec"].to_string()).expect("the file can be written to");
    promtool(&["check", "rules"], rules.path());

    let tests = json!({"rule_files": [rules.path()], "evaluation_interval": "1m", "tests": cases});
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), tests.to_string()).expect("the file can be written to");
    promtool(&["test", "rules"], file.path());
}

#[track_caller]
fn promtool(command: &[&str], file: &Path) {
    let output = Command::new("promtool").args(command).arg(file).output().expect("promtool is installed");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {}: {}", command.join(" "), String::from_utf8_lossy(&said));
}

fn config_of(jobs: &[(&str, Vec<u16>)]) -> String {
    let of_job = |(job, ports): &(&str, Vec<u16>)| {
        let targets: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        format!("- job_name: {job}\n  static_configs: [{{targets: [{}]}}]\n", targets.join(", "))
    };
    let jobs: String = jobs.iter().map(of_job).collect();
    format!("global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n{jobs}")
}

fn encoded(query: &str) -> String {
    query
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
