//! Tests with a real Prometheus that the metrics of sidecars and control plane equal the API's values.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use scenario::eventually::{SOON, eventually};
use scenario::prometheus::{Histograms, Prometheus, check_rules, lint};
use scenario::sidecar::Sidecar;
use scenario::small_mesh::SmallMesh;
use serde_json::{Value, json};

/// A mesh of two pods, with a different number of requests for each endpoint.
fn busy_mesh() -> SmallMesh {
    let mesh = SmallMesh::start("shop", 2);
    for (at, pod) in mesh.pods.iter().enumerate() {
        let mut client = pod.connect();
        for id in 0..13 + at {
            client.get(&format!("/users/{id}"));
        }
        client.get("/page");
        client.get("/missing");
    }
    mesh.api().expect_hits("shop", 13 + 14 + 2 + 2);
    mesh
}

fn jobs(mesh: &SmallMesh) -> [(&'static str, Vec<u16>); 2] {
    let pods = mesh.pods.iter().map(|pod| pod.admin_port).collect();
    [("pods", pods), ("mesh", vec![mesh.control_plane.http_port])]
}

#[test]
fn its_linter_has_nothing_to_say() {
    let mesh = busy_mesh();
    lint(&mesh.pods[0].admin("/metrics").text());
    lint(&mesh.api().page("/metrics").expect("the control plane exposes its metrics"));
    lint(&Sidecar::in_front_of(mesh.origin.port()).admin("/metrics").text());
}

#[test]
fn what_it_scrapes_equals_what_the_api_returns() {
    let mesh = busy_mesh();
    let prometheus = Prometheus::scraping(&jobs(&mesh), Histograms::Classic);
    eventually(SOON, || {
        for row in mesh.api().endpoints()? {
            let of = labels(&row)?;
            for job in ["pods", "mesh"] {
                let requests = prometheus.number(&format!("sum(sitio_requests_total{{job=\"{job}\",{of}}})"))?;
                ensure!(Some(requests) == row["hits"].as_f64(), "{job} report {requests} requests of {row}");
                for timed in ["_count", "_bucket"] {
                    let le = if timed == "_bucket" { ",le=\"+Inf\"" } else { "" };
                    let timed = format!("sum(http_server_request_duration_seconds{timed}{{job=\"{job}\",{of}{le}}})");
                    ensure!(Some(prometheus.number(&timed)?) == row["hits"].as_f64(), "{timed} of {row}");
                }
                let bytes = format!("sum(http_server_response_body_size_bytes_sum{{job=\"{job}\",{of}}})");
                ensure!(Some(prometheus.number(&bytes)?) == row["bytes_out"].as_f64(), "{bytes} of {row}");
            }
        }
        let missing = "sum(sitio_requests_total{job=\"pods\",http_response_status_code=\"404\"})";
        let class = "sum(sitio_requests_total{job=\"mesh\",http_response_status_class=\"4xx\"})";
        let output = (prometheus.number(missing)?, prometheus.number(class)?);
        ensure!(output == (2.0, 2.0), "{output:?} of the two that are missing");
        Ok(())
    });
}

#[test]
fn its_native_histograms_are_ours() {
    let mesh = busy_mesh();
    let prometheus = Prometheus::scraping(&jobs(&mesh), Histograms::Native);
    eventually(SOON, || {
        for row in mesh.api().endpoints()? {
            let (of, longest_ms) = (labels(&row)?, row["max_ms"].as_f64().context("a longest")?);
            for job in ["pods", "mesh"] {
                let histogram = format!("sum(http_server_request_duration_seconds{{job=\"{job}\",{of}}})");
                let count = prometheus.number(&format!("histogram_count({histogram})"))?;
                ensure!(Some(count) == row["hits"].as_f64(), "{count} in {histogram} of {row}");
                // The highest quantile is the upper bound of the highest bucket, and buckets grow by a factor of
                // 2^(1/8).
                let end_ms = prometheus.number(&format!("histogram_quantile(1, {histogram})"))? * 1e3;
                let within = longest_ms * 0.9999..=longest_ms * 1.0906;
                ensure!(within.contains(&end_ms), "{histogram} ends at {end_ms} ms, and the longest took {longest_ms} ms");
            }
        }
        Ok(())
    });
}

#[test]
fn the_alerts_and_the_dashboard_ask_for_what_there_is() {
    let mesh = busy_mesh();
    let pages = [mesh.pods[0].admin("/metrics").text(), mesh.api().page("/metrics").expect("the control plane's page")].concat();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/components");
    check_rules(&folder.join("monitoring/rules.yaml"), &control_plane_down());
    for file in ["monitoring/rules.yaml", "grafana/dashboard.json"] {
        let text = fs::read_to_string(folder.join(file)).expect("it is there");
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
        let names = text.split(word).filter(|word| word.starts_with("sitio_") || word.starts_with("http_server_"));
        let names: BTreeSet<&str> = names.collect();
        assert!(names.len() >= 4, "{file}: {names:?}");
        for name in names {
            assert!(pages.lines().any(|line| line.split(['{', ' ']).next() == Some(name)), "{file} asks for {name}");
        }
    }
}

/// Whether the alert fires after ten minutes in which the control plane is up, is down, and is no target at all.
fn control_plane_down() -> Value {
    let case = |name: &str, samples: Option<&str>, fires: bool| {
        let series = samples.map(|values| json!({"series": "up{job=\"sitio-control-plane\"}", "values": values}));
        let alert = json!({
            "exp_labels": {"severity": "critical"},
            "exp_annotations": {
                "summary": "Prometheus gets no metrics of the control plane",
                "description": "Traffic goes on with the last rules. See whether its pod is ready, and whether the ServiceMonitor's token is valid.",
            },
        });
        let expected: Vec<Value> = fires.then_some(alert).into_iter().collect();
        let asked = json!({"eval_time": "10m", "alertname": "SitioControlPlaneDown", "exp_alerts": expected});
        json!({"name": name, "interval": "1m", "input_series": series.as_slice(), "alert_rule_test": [asked]})
    };
    json!([case("up", Some("1x20"), false), case("down", Some("0x20"), true), case("no target", None, true)])
}

/// The metric labels of a row of the API.
fn labels(row: &Value) -> Result<String> {
    let text = |name: &str| row[name].as_str().with_context(|| format!("no {name} in {row}"));
    Ok(format!("http_request_method=\"{}\",http_route=\"{}\"", text("method")?, text("route")?))
}
