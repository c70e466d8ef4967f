//! A client of the control plane's API for tests.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use api::client::trust;
use reqwest::StatusCode;
use reqwest::blocking::{Client, ClientBuilder};
use serde_json::{Value, json};

use crate::eventually::{SOON, eventually};

/// A client of the API.
pub struct Api {
    base: String,
    client: Client,
}

impl Api {
    /// The API on a port of this machine.
    pub fn at(http_port: u16) -> Self {
        let client = http_client().timeout(Duration::from_secs(10)).build().expect("a client needs no network");
        Self { base: format!("http://127.0.0.1:{http_port}"), client }
    }

    /// Reads the JSON at this path.
    pub fn json(&self, path: &str) -> Result<Value> {
        let response = self.client.get(format!("{}{path}", self.base)).send()?;
        let (status, text) = (response.status(), response.text()?);
        ensure!(status == StatusCode::OK, "GET {path}: {status}: {text}");
        serde_json::from_str(&text).with_context(|| format!("GET {path}: {text}"))
    }

    /// Reads the page at this path, as a browser without script does; fails unless the status is 200.
    pub fn page(&self, path: &str) -> Result<String> {
        let response = self.client.get(format!("{}{path}", self.base)).send()?;
        ensure!(response.status() == StatusCode::OK, "GET {path}: {}", response.status());
        Ok(response.text()?)
    }

    /// Reads the page at this path, whatever the status.
    pub fn any_page(&self, path: &str) -> Result<String> {
        Ok(self.client.get(format!("{}{path}", self.base)).send()?.text()?)
    }

    /// The rows of `/api/v1/endpoints`, over everything since the pods started.
    pub fn endpoints(&self) -> Result<Vec<Value>> {
        rows(&self.json("/api/v1/endpoints")?, "endpoints")
    }

    /// The rows of `/api/v1/pods`.
    pub fn pods(&self) -> Result<Vec<Value>> {
        rows(&self.json("/api/v1/pods")?, "pods")
    }

    /// All hits of a service, over all endpoints.
    pub fn hits(&self, service: &str) -> Result<u64> {
        let rows = self.endpoints()?;
        Ok(rows.iter().filter(|row| row["service"] == service).filter_map(|row| row["hits"].as_u64()).sum())
    }

    /// Waits until the API reports exactly `expected` hits of a service; fails if it reports more.
    #[track_caller]
    pub fn expect_hits(&self, service: &str, expected: u64) {
        eventually(SOON, || {
            let hits = self.hits(service)?;
            assert!(hits <= expected, "{hits} hits of {service}, more than the {expected} that were sent");
            ensure!(hits == expected, "{hits} hits of {service}, not {expected}");
            Ok(())
        });
    }

    /// Waits until these pods are connected, so that a rule reaches them.
    #[track_caller]
    pub fn expect_pods(&self, names: &[&str]) {
        eventually(SOON, || {
            let pods = self.pods()?;
            for name in names {
                let Some(pod) = pods.iter().find(|pod| pod["pod"] == *name) else { bail!("{name} is not among {pods:?}") };
                ensure!(pod["connected"] == true, "{name} is not connected: {pod}");
            }
            Ok(())
        });
    }

    /// Turns an endpoint off, even if it was never called, and returns the rule's id.
    #[track_caller]
    pub fn turn_off(&self, service: &str, endpoint: &str, ttl: &str) -> String {
        let (method, route) = endpoint.split_once(' ').expect("an endpoint is a method and a route");
        let order = json!({
            "service": service, "method": method, "route": route, "action": {"disable": {"status": 503}},
            "ttl": ttl, "reason": "a scenario asks for it", "allow_unseen": true,
        });
        let (status, answer) = self.order(&order).expect("the API answers");
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["id"].as_str().expect("a rule has an id").to_owned()
    }

    /// Requests a rule, and returns the status and the response.
    pub fn order(&self, order: &Value) -> Result<(StatusCode, Value)> {
        let response = self.client.post(format!("{}/api/v1/rules", self.base)).json(order).send()?;
        let (status, text) = (response.status(), response.text()?);
        Ok((status, serde_json::from_str(&text).with_context(|| format!("POST rules: {status}: {text}"))?))
    }

    /// Pins a pattern, and returns the id of its rule.
    #[track_caller]
    pub fn pin(&self, service: &str, pattern: &str) -> String {
        let (status, answer) = self.ask_to_pin(&json!({"service": service, "pattern": pattern})).expect("the API answers");
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["id"].as_str().expect("a pin has an id").to_owned()
    }

    /// Requests a pin, and returns the status and the response.
    pub fn ask_to_pin(&self, order: &Value) -> Result<(StatusCode, Value)> {
        let response = self.client.post(format!("{}/api/v1/routes", self.base)).json(order).send()?;
        let (status, text) = (response.status(), response.text()?);
        Ok((status, serde_json::from_str(&text).with_context(|| format!("POST routes: {status}: {text}"))?))
    }

    /// Removes a pin.
    #[track_caller]
    pub fn unpin(&self, pin: &str) {
        let response = self.client.delete(format!("{}/api/v1/routes/{pin}", self.base)).send().expect("the API answers");
        assert!(response.status().is_success(), "{}", response.status());
    }

    /// Ends a rule.
    #[track_caller]
    pub fn withdraw(&self, rule: &str) {
        let response = self.client.delete(format!("{}/api/v1/rules/{rule}", self.base)).send().expect("the API answers");
        assert!(response.status().is_success(), "{}", response.status());
    }

    /// The receipts of a rule: pod, state, and the time to apply in milliseconds.
    pub fn receipts(&self, rule: &str) -> Result<Vec<(String, String, Option<f64>)>> {
        let rows = rows(&self.json(&format!("/api/v1/rules/{rule}"))?, "pods")?;
        let receipt = |row: &Value| -> Option<_> {
            Some((row["pod"].as_str()?.to_owned(), row["state"].as_str()?.to_owned(), row["took_ms"].as_f64()))
        };
        rows.iter().map(|row| receipt(row).with_context(|| format!("{row} is no receipt"))).collect()
    }

    /// Waits until each of these pods has confirmed a rule, with its time to apply.
    #[track_caller]
    pub fn expect_applied(&self, rule: &str, pods: &[&str]) {
        eventually(SOON, || {
            let receipts = self.receipts(rule)?;
            for pod in pods {
                let applied = receipts.iter().any(|(name, state, took)| name == pod && state == "applied" && took.is_some());
                ensure!(applied, "{pod} has not applied {rule}: {receipts:?}");
            }
            Ok(())
        });
    }
}

/// The list under `name` in a response.
fn rows(answer: &Value, name: &str) -> Result<Vec<Value>> {
    answer[name].as_array().cloned().with_context(|| format!("no list of {name} in {answer}"))
}

/// A builder of blocking HTTP clients without a proxy and without certificates.
pub fn http_client() -> ClientBuilder {
    trust::choose_ring();
    Client::builder().no_proxy().tls_certs_only([])
}
