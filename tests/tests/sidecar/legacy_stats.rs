//! Tests the sidecar's statistics in the format of the original articles, and its Prometheus metrics.

use anyhow::{Context, ensure};
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;
use serde_json::Value;

#[test]
fn the_statistics_have_the_shape_of_the_articles() {
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).named("web", "web-6c9f7d5b8-2kqxz").start();
    for _ in 0..3 {
        sidecar.get("/page");
    }
    sidecar.get("/picture.png?v=3");
    sidecar.get("/missing");

    let stats: Value = eventually(SOON, || {
        let stats: Value = serde_json::from_str(&sidecar.admin("/stats").text())?;
        ensure!(stats["/page"]["hit"] == 3 && stats["/missing"]["hit"] == 1, "{stats}");
        Ok(stats)
    });

    let page = &stats["/page"];
    assert_eq!((&page["file"], &page["pod"]), (&false.into(), &"web-6c9f7d5b8-2kqxz".into()), "{page}");
    assert_eq!(stats["/picture.png"]["file"], true, "{stats}");
    let exchange = &page["history"][0];
    assert_eq!(exchange["request"]["method"], "GET", "{page}");
    assert_eq!(exchange["request"]["endpoint"], "/page", "{page}");
    assert_eq!(exchange["response"]["state"], "CommandOutput", "{page}");
    for field in ["time", "started", "resource"] {
        assert!(!exchange[field].is_null(), "{field} is missing in {page}");
    }
    let missing = stats["/missing"]["history"][0]["response"]["status"].to_string();
    assert_eq!(missing.trim_matches('"'), "404", "{stats}");
    assert_average(page);
}

/// Checks that the average is the total divided by the hits, in its stated unit.
#[track_caller]
fn assert_average(entry: &Value) {
    let average = entry["avg"].as_str().and_then(|avg| avg.strip_suffix("ms")).and_then(|avg| avg.parse::<f64>().ok());
    let average = average.unwrap_or_else(|| panic!("no average in ms in {entry}"));
    let total = entry["total"].as_f64().expect("a total");
    let hits = entry["hit"].as_f64().expect("a count");
    // Both are rounded to a hundredth of a millisecond.
    assert!((average - total / hits).abs() <= 0.0101, "{average} is not {total} / {hits} in {entry}");
}

#[test]
fn the_history_is_bounded_and_the_average_stays_true() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    let mut client = sidecar.connect();
    for _ in 0..2000 {
        client.get("/often");
    }

    let entry = eventually(SOON, || {
        let stats: Value = serde_json::from_str(&sidecar.admin("/stats").text())?;
        ensure!(stats["/often"]["hit"] == 2000, "{}", stats["/often"]["hit"]);
        Ok(stats["/often"].clone())
    });

    let history = entry["history"].as_array().expect("a history").len();
    assert!((1..=200).contains(&history), "{history} exchanges are remembered");
    assert_average(&entry);
}

#[test]
fn the_statistics_are_printed_when_asked_for() {
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).with("SITIO_STATS_LOG", "200ms").start();
    sidecar.get("/printed");

    eventually(SOON, || {
        let printed = sidecar.process.stdout();
        let last = printed.iter().rev().find(|line| line.trim_start().starts_with('{')).context("nothing is printed")?;
        let stats: Value = serde_json::from_str(last)?;
        ensure!(stats["/printed"]["hit"] == 1, "{last}");
        Ok(())
    });
}

#[test]
fn the_metrics_have_the_standards_names() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    for target in ["/users/1", "/users/2"] {
        sidecar.get(target);
    }

    let of_users = "{http_request_method=\"GET\",http_route=\"/users/{id}\"";
    eventually(SOON, || {
        let metrics = sidecar.admin("/metrics").text();
        for line in [
            format!("http_server_request_duration_seconds_count{of_users}}} 2"),
            format!("http_server_request_duration_seconds_bucket{{le=\"+Inf\",{}}} 2", &of_users[1..]),
            format!("sitio_requests_total{of_users},http_response_status_code=\"200\"}} 2"),
        ] {
            ensure!(metrics.lines().any(|output| output == line), "{line} is missing in {metrics}");
        }
        Ok(())
    });
}

#[test]
fn two_thousand_paths_do_not_make_two_thousand_endpoints() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    let mut client = sidecar.connect();
    let word = |mut at: usize| {
        let mut word = String::new();
        for _ in 0..3 {
            word.push((b'a' + (at % 26) as u8) as char);
            at /= 26;
        }
        word
    };
    for at in 0..2000 {
        client.get(&format!("/{}", word(at)));
    }

    eventually(SOON, || {
        let stats: Value = serde_json::from_str(&sidecar.admin("/stats").text())?;
        let entries = stats.as_object().context("an object")?;
        let hits: u64 = entries.values().filter_map(|entry| entry["hit"].as_u64()).sum();
        ensure!(hits == 2000, "{hits} hits");
        assert!(entries.len() <= 257, "{} endpoints", entries.len());
        assert!(entries.keys().any(|key| key.contains("(other)")), "the rest is visible: {:?}", entries.keys());
        Ok(())
    });
}
