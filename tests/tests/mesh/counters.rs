//! Tests with a real Prometheus that no counter decreases when the control plane is killed repeatedly.
#![expect(clippy::float_cmp, reason = "whole numbers of Prometheus are exact in its floats")]

use anyhow::{Result, ensure};
use mesh::report::GIVE_UP_AFTER;
use scenario::eventually::{SOON, eventually};
use scenario::prometheus::{Histograms, Prometheus};
use scenario::small_mesh::SmallMesh;
use serde_json::Value;

/// The number of times that the control plane is killed.
const RESTARTS: u64 = 20;

/// Requests to each pod before each kill: most are not on disk at that time.
const REQUESTS: u64 = 30;

/// Failed dials of a sidecar before the control plane restarts, so that the sidecar is in backoff and Prometheus
/// scrapes before it reconnects. With more of them, twenty restarts would take many minutes.
const DIALS: u64 = 1;

/// The counters of endpoints.
const COUNTERS: [&str; 7] = [
    "sitio_requests_total",
    "sitio_requests_failed_total",
    "http_server_request_duration_seconds_count",
    "http_server_request_duration_seconds_sum",
    "http_server_request_duration_seconds_bucket",
    "http_server_response_body_size_bytes_count",
    "http_server_response_body_size_bytes_sum",
];

/// The tolerance for `increase`, which extrapolates by half an interval at each end.
const EXTRAPOLATED: f64 = 0.1;

#[test]
fn prometheus_sees_no_counter_fall_over_twenty_restarts() {
    let mut mesh = SmallMesh::start("shop", 2);
    let mut sent = ask(&mesh, 1);
    mesh.api().expect_hits("shop", sent);
    let prometheus = Prometheus::scraping(&[("mesh", vec![mesh.control_plane.http_port])], Histograms::Classic);
    expect_scraped(&prometheus, sent);
    let first = sent;

    for _ in 0..RESTARTS {
        sent += ask(&mesh, REQUESTS);
        expect_scraped(&prometheus, sent);
        mesh.control_plane.process.kill();
        expect_lost(&mesh);
        mesh.control_plane.restart();
        expect_scraped(&prometheus, sent);
    }

    for counter in COUNTERS {
        let resets = prometheus.number(&format!("sum(resets({counter}{{job=\"mesh\"}}[1h]))")).unwrap();
        assert_eq!(resets, 0.0, "{counter} fell");
    }
    let increase = prometheus.number("sum(increase(sitio_requests_total{job=\"mesh\"}[1h]))").unwrap();
    let truly = (sent - first) as f64;
    println!("increase() is {increase:.0} where {truly} is true");
    assert!((increase - truly).abs() <= truly * EXTRAPOLATED, "increase() is {increase}, and {truly} is true");
}

#[test]
fn a_pod_that_died_meanwhile_is_waited_for_in_bounds_and_takes_nothing_from_the_counters() {
    let mut mesh = SmallMesh::start("shop", 2);
    let sent = ask(&mesh, REQUESTS);
    mesh.api().expect_hits("shop", sent);
    assert_eq!(requests(&mesh).unwrap(), sent);

    mesh.control_plane.process.kill();
    mesh.pods[1].process.kill();
    mesh.control_plane.restart();

    eventually(SOON, || {
        let recovery = &mesh.api().json("/api/v1/status")?["recovery"];
        ensure!(recovery["pods_reported"] == 1 && recovery["pods"] == 2, "{recovery}");
        Ok(())
    });
    let words = "1 of 2 pods have reported since the restart ";
    for path in ["/readyz", "/metrics", "/"] {
        let page = mesh.api().any_page(path).unwrap();
        assert!(page.contains(words), "{path} does not say so: {page}");
    }
    assert!(mesh.api().page("/readyz").is_err() && mesh.api().page("/metrics").is_err(), "both answer 503");
    for arguments in [&["stat"][..], &["check"]] {
        let said = mesh.sitio(arguments);
        assert!(said.out.contains(words), "{arguments:?} does not say so: {}", said.out);
    }

    let counted = eventually(GIVE_UP_AFTER + SOON, || requests(&mesh));
    assert_eq!(counted, sent, "the dead pod had reported all of them");
    assert!(mesh.api().page("/readyz").is_ok());
    assert_eq!(mesh.api().json("/api/v1/status").unwrap()["recovery"], Value::Null);
}

/// The number of requests in `/metrics`.
fn requests(mesh: &SmallMesh) -> Result<u64> {
    let page = mesh.api().page("/metrics")?;
    let lines = page.lines().filter(|line| line.starts_with("sitio_requests_total{"));
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

/// Sends this number of requests to each pod; returns their total.
fn ask(mesh: &SmallMesh, requests: u64) -> u64 {
    for pod in &mesh.pods {
        let mut client = pod.connect();
        (0..requests).for_each(|_| drop(client.get("/cart")));
    }
    requests * mesh.pods.len() as u64
}

/// Waits until every sidecar has dialled without success [`DIALS`] times.
fn expect_lost(mesh: &SmallMesh) {
    let dials = || mesh.pods.iter().map(|pod| pod.metric("sitio_link_dials_total", ""));
    let before: Vec<u64> = dials().collect();
    eventually(SOON, || {
        for (dials, before) in dials().zip(&before) {
            ensure!(dials >= before + DIALS, "{dials} dials after {before}");
        }
        Ok(())
    });
}

/// Waits until Prometheus has scraped the current control plane with all requests sent.
fn expect_scraped(prometheus: &Prometheus, sent: u64) {
    eventually(2 * SOON, || {
        let scraped = |query: &str| -> Result<f64> { prometheus.number(query) };
        ensure!(scraped("up{job=\"mesh\"}")? == 1.0, "the last scrape failed");
        let requests = scraped("sum(sitio_requests_total{job=\"mesh\"})")?;
        ensure!(requests == sent as f64, "{requests} requests are scraped, and {sent} were sent");
        Ok(())
    });
}
