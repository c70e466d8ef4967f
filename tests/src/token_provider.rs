//! Runs a real OpenID provider that issues access tokens to programs, and forges tokens as attackers do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use crate::api::http_client;
use crate::process::{Process, file};
use crate::reserved_port::ReservedPort;

/// A provider on a port of its own, which can be stopped and started again.
pub struct TokenProvider {
    process: Option<Process>,
    at: ReservedPort,
    keys: TempDir,
    generation: u32,
}

/// Tokens that were made by hand.
#[derive(Debug, Deserialize)]
pub struct ForgedTokens {
    /// One that the provider's own key has signed, with proper claims.
    pub genuine: String,
    /// Those that must be refused, by what is wrong with them.
    pub refused: BTreeMap<String, String>,
    /// A genuine one whose subject has a line break.
    #[serde(rename = "a claim that breaks lines")]
    pub breaks_lines: String,
}

impl TokenProvider {
    /// A provider that is not started yet.
    pub fn away() -> Self {
        let keys = tempfile::tempdir().expect("a temporary folder");
        Self { process: None, at: ReservedPort::reserve(), keys, generation: 0 }
    }

    /// A provider that runs.
    #[track_caller]
    pub fn start() -> Self {
        let mut provider = Self::away();
        provider.restart();
        provider
    }

    /// The issuer.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.at.port)
    }

    /// Starts it, or starts it again.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        let mut command = Command::new("node");
        command.arg(file("services/token-provider.mjs")).arg(self.at.port.to_string()).arg(self.key_file());
        let mut process = Process::start(command);
        process
            .line("that it listens (without it, run `npm ci --prefix tests`)", |line| line.contains("listening").then_some(()));
        self.process = Some(process);
    }

    /// Stops it.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again with another key.
    #[track_caller]
    pub fn rotate(&mut self) {
        self.generation += 1;
        self.restart();
    }

    /// An access token of a client: `reader`, who has roles, or `stranger`.
    #[track_caller]
    pub fn token(&self, client: &str) -> String {
        let http = http_client().build().expect("a client");
        let request = http.post(format!("{}/token", self.issuer())).basic_auth(client, Some("a-secret-of-the-client"));
        let form = "grant_type=client_credentials&scope=orders:read";
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer: serde_json::Value = request.send().and_then(reqwest::blocking::Response::json).expect("the provider answers");
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// Tokens that its present key has signed, or seems to have signed.
    #[track_caller]
    pub fn forge(&self) -> ForgedTokens {
        let mut command = Command::new("node");
        command.arg(file("services/forge-tokens.mjs")).arg(self.key_file()).arg(self.issuer());
        let output = command.output().expect("run node");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the tokens as JSON")
    }

    fn key_file(&self) -> PathBuf {
        self.keys.path().join(format!("key-{}.json", self.generation))
    }
}
