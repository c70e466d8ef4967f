//! Tests that any window, from a minute to 90 days, is the sum of stored windows and later reports.

use std::time::Duration;

use mesh::report::Coverage::{Change, Snapshot};
use mesh::window::slot_of;
use reqwest::{Method, StatusCode};

use control_plane::clock::now_ms;

use crate::harness::{TestControlPlane, eventually, greeting, hits};

#[tokio::test]
async fn a_long_window_is_what_is_on_disk_and_what_came_since_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let now = slot_of(now_ms());
    let days = |days: u64| now - days * 8640;
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/a", hits(1111)), ("/b", hits(5))]).await;
    for (slot, count) in [(days(20), 1000), (days(3), 100), (now - 720, 10)] {
        sidecar.window(slot, false, &[("/a", hits(count))]).await;
    }
    // The remaining request is not stored yet: it happened just now.
    let read = async |server: &TestControlPlane, window: &str| {
        let reported = server.get(&format!("/api/v1/timeline?service=shop&route=/a&window={window}")).await;
        let sum: u64 = reported["points"].as_array().unwrap().iter().map(|point| point["hits"].as_u64().unwrap()).sum();
        assert_eq!(sum, reported["whole"]["hits"], "the points are the whole: {reported}");
        assert!(reported["points"].as_array().unwrap().len() <= 241, "{reported}");
        (sum, reported)
    };
    for (window, expected) in [("30d", 1111), ("7d", 111), ("24h", 11), ("6h", 11), ("90d", 1111)] {
        eventually(async || match read(&server, window).await {
            (sum, _) if sum == expected => Ok(()),
            other => Err(other),
        })
        .await;
    }
    let table = server.get("/api/v1/endpoints?window=7d&service=shop").await;
    let row = |table: &serde_json::Value, route: &str| {
        table["endpoints"].as_array().unwrap().iter().find(|row| row["route"] == route).unwrap()["hits"].clone()
    };
    assert_eq!((row(&table, "/a"), row(&table, "/b"), &table["window"]), (111.into(), 5.into(), &"7days".into()), "{table}");
    sidecar.report(Change, &[("/a", hits(4))]).await;
    server.row_with("shop", "/a", 1115).await;
    assert_eq!(row(&server.get("/api/v1/endpoints?window=7d&service=shop").await, "/a"), 115, "what came since is in it at once");
    let (_, reported) = read(&server, "5m").await;
    assert!(reported["covered_s"].as_f64().unwrap() < 300.0, "{reported}");
    server.stop().await;

    let server = TestControlPlane::start(folder.path());
    let (sum, reported) = read(&server, "7d").await;
    assert_eq!(sum, 110, "what was never handed over is gone with the process that knew it: {reported}");
    assert_eq!(reported["step_s"], 3600);
    server.stop().await;
}

#[tokio::test]
async fn the_previous_window_is_compared_if_all_of_it_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let hour = now_ms() / 3_600_000 * 360;
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/a", hits(360))]).await;
    for (slot, count) in [(hour - 360 * 40, 1), (hour - 360 * 30, 200), (hour - 360 * 2, 159)] {
        sidecar.window(slot, false, &[("/a", hits(count))]).await;
    }
    let path = "/api/v1/timeline?window=24h&vs=before&service=shop";
    let reported = eventually(async || {
        let reported = server.get(path).await;
        if reported["whole"]["hits"] == 159 { Ok(reported) } else { Err(reported) }
    })
    .await;
    assert_eq!(reported["before"], serde_json::Value::Null, "the record begins within the window before: {reported}");

    let id = server.row("shop", "/a").await["id"].as_str().unwrap().to_owned();
    let to = "2020-01-01T00:00:00Z";
    let old = server.get(&format!("/api/v1/timeline?endpoint={id}&window=90d&to={to}")).await;
    assert_eq!((&old["whole"]["hits"], &old["covered_s"]), (&0.into(), &0.0.into()), "{old}");
    server.stop().await;
}

/// The events of a page, as they arrive.
struct Events(reqwest::Response, String);

impl Events {
    /// Waits until an event contains one of these texts.
    async fn send(&mut self, words: &[&str]) {
        let received = async {
            while !words.iter().any(|words| self.1.contains(words)) {
                let more = self.0.chunk().await.unwrap().expect("the stream goes on");
                self.1.push_str(&String::from_utf8_lossy(&more));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), received).await.unwrap_or_else(|_| panic!("no message {words:?}"));
    }
}

#[tokio::test]
async fn pages_show_long_windows_and_the_window_before_and_move() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let now = slot_of(now_ms());
    let days = |days: u64| now - days * 8640;
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/a", hits(1311))]).await;
    for (slot, count) in [(days(20), 1000), (days(10), 200), (days(3), 100), (now - 720, 10)] {
        sidecar.window(slot, false, &[("/a", hits(count))]).await;
    }
    let id = server.row_with("shop", "/a", 1311).await["id"].as_str().unwrap().to_owned();
    let page = async |path: &str| reqwest::get(format!("http://{}{path}", server.http)).await.unwrap().text().await.unwrap();
    let shows = async |window: &str, words: &[&str]| {
        eventually(async || {
            let html = page(&format!("/endpoints/{id}?window={window}")).await;
            words.iter().find(|words| !html.contains(**words)).map_or(Ok(()), |missing| Err((*missing).to_owned()))
        })
        .await;
    };

    let versus = "Against the 7 d before: hits ▼ down 44 %, from 200; 5xx: too few requests, or none failed";
    eventually(async || if server.get("/api/v1/status").await["store"]["windows"]["kept"] == 4 { Ok(()) } else { Err(()) }).await;
    shows("7d", &["111 hits in 7 d", versus, "requests per 3 h, by response time"]).await;
    shows("30d", &["1,311 hits in 20 d", "Not compared with the 30 d before: counting started 20 d", "requests per 12 h"]).await;
    shows("24h", &["11 hits in 24 h", "requests per 30 min"]).await;
    shows("6h", &["11 hits in 6 h", "requests per 10 min"]).await;
    assert!(page("/?window=7d").await.contains("▼ down 44 %"));
    assert!(page("/map?window=7d").await.contains("value=\"7d\" checked"));
    let steps = page(&format!("/endpoints/{id}/csv/steps.csv?window=7d")).await;
    let drawn: u64 = steps.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(drawn, 111, "{steps}");
    assert_eq!(page("/endpoints.csv?window=7d").await.lines().nth(1).unwrap().matches(",111,").count(), 1);

    // The page updates with new counts, although the disk is not read again.
    let events = reqwest::get(format!("http://{}/events?page=endpoint&id={id}&window=7d", server.http)).await.unwrap();
    let mut events = Events(events, String::new());
    events.send(&["111 hits in 7 d"]).await;
    sidecar.report(Change, &[("/a", hits(4))]).await;
    events.send(&["115 hits in 7 d"]).await;
    // The newest column of the chart updates, too; the requests of two hours ago may be in it.
    events.send(&["\"hits\":\"5\"", "\"hits\":\"15\""]).await;
    server.stop().await;
}

#[tokio::test]
async fn counts_of_a_killed_sidecar_that_were_never_stored_leave_the_totals() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut who = greeting("shop", "shop-1");
    let mut killed = server.attach_as(who.clone()).await;
    killed.report(Snapshot, &[("/a", hits(30)), ("/b", hits(2))]).await;
    killed.window(slot_of(now_ms()) - 1, false, &[("/a", hits(20))]).await;
    server.row_with("shop", "/a", 30).await;
    let is_kept = async || if server.get("/api/v1/status").await["store"]["windows"]["kept"] == 1 { Ok(()) } else { Err(()) };
    eventually(is_kept).await;
    let sum = async |server: &TestControlPlane, route: &str, window: &str| {
        let reported = server.get(&format!("/api/v1/timeline?service=shop&route={route}&window={window}")).await;
        reported["whole"]["hits"].as_u64().unwrap()
    };
    assert_eq!(sum(&server, "/a", "6h").await, 30, "it may live");

    // The next process of the same pod implies that the first one is dead.
    drop(killed);
    who.epoch += 1;
    let mut next = server.attach_as(who).await;
    next.report(Snapshot, &[("/a", hits(5))]).await;

    server.row_with("shop", "/a", 25).await;
    let table = server.get("/api/v1/endpoints?window=6h&service=shop").await;
    let counted: u64 = table["endpoints"].as_array().unwrap().iter().map(|row| row["hits"].as_u64().unwrap()).sum();
    assert_eq!(counted, 25, "{table}");
    assert_eq!((sum(&server, "/a", "6h").await, sum(&server, "/b", "90d").await), (25, 0));
    assert_eq!(sum(&server, "/a", "5m").await, 35, "what was seen happen a moment ago stays in sight");
    assert_eq!(server.get("/api/v1/status").await["store"]["hits_not_durable"], 12);
    let metrics = reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap();
    assert!(metrics.lines().any(|line| line.contains("\"/a\"") && line.ends_with(" 35")), "no counter goes back: {metrics}");
    server.stop().await;

    let server = TestControlPlane::start(folder.path());
    assert_eq!((sum(&server, "/a", "6h").await, sum(&server, "/b", "90d").await), (20, 0), "as it is after a restart");
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_window_is_refused_with_what_would_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    for (query, status) in [
        ("window=30s", StatusCode::BAD_REQUEST),
        ("window=91d", StatusCode::BAD_REQUEST),
        ("to=yesterday", StatusCode::BAD_REQUEST),
        ("vs=after", StatusCode::BAD_REQUEST),
        ("from=now", StatusCode::BAD_REQUEST),
        ("endpoint=e000000000000", StatusCode::NOT_FOUND),
    ] {
        let (answered, problem) = server.ask(Method::GET, &format!("/api/v1/timeline?{query}"), None).await;
        assert_eq!(answered, status, "{query}: {problem}");
    }
    let nothing = server.get("/api/v1/timeline?service=unknown&window=90d").await;
    assert_eq!((&nothing["endpoints"], &nothing["whole"]["hits"]), (&0.into(), &0.into()));
    server.stop().await;
}

#[tokio::test]
async fn the_status_says_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/a", hits(1))]).await;
    sidecar.window(slot_of(now_ms()) - 1, false, &[("/a", hits(1))]).await;
    let status = eventually(async || {
        let status = server.get("/api/v1/status").await;
        if status["store"]["windows"]["kept"] == 1 { Ok(status) } else { Err(status) }
    })
    .await;
    let store = &status["store"];
    assert_eq!(
        (&store["durable"], &store["slots"]["10s"]["count"], &store["slots"]["1h"]["count"]),
        (&true.into(), &1.into(), &1.into())
    );
    assert_eq!((&store["slots"]["1m"]["keeps_s"], &store["why"]), (&604_800.into(), &serde_json::Value::Null), "{status}");
    let metrics = reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap();
    let value = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    assert_eq!(value("sitio_store_file_bytes"), store["file_bytes"].as_u64(), "{metrics}");
    assert_eq!(value("sitio_store_slot_bytes{slot=\"1h\"}"), store["slots"]["1h"]["bytes"].as_u64(), "{metrics}");
    server.stop().await;
}
