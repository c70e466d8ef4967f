//! Tests that the API returns exactly what the sidecars counted, however their streams come and go.

use mesh::golden::GoldenMetrics;
use mesh::report::Coverage::{Change, Snapshot};
use mesh::window::slot_of;
use proto::wire::{Bye, up};
use serde_json::json;

use control_plane::clock::now_ms;

use crate::harness::{TestControlPlane, eventually, greeting, hits};

#[tokio::test]
async fn the_counts_of_two_pods_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (mut one, mut two) = (server.attach("shop", "shop-1").await, server.attach("shop", "shop-2").await);

    one.report(Snapshot, &[("/a", hits(3)), ("/b", hits(5))]).await;
    two.report(Snapshot, &[("/a", hits(40))]).await;
    two.report(Change, &[("/a", hits(7))]).await;
    one.report(Change, &[]).await;

    let row = server.row_with("shop", "/a", 50).await;
    assert_eq!(row["status"], json!({"200": 50}), "{row}");
    assert_eq!((&row["bytes_out"], &row["avg_ms"], &row["state"]), (&json!(5000), &json!(10.0), &json!("on")), "{row}");
    assert_eq!(row["pods"], json!(["shop-1", "shop-2"]), "{row}");
    assert!((9.5..=10.5).contains(&row["p95_ms"].as_f64().unwrap()), "{row}");
    server.row_with("shop", "/b", 5).await;
    let window = server.get("/api/v1/endpoints?window=1m&service=shop").await;
    assert_eq!(window["endpoints"][0]["hits"], 50, "what came within the minute is in its window: {window}");
    assert_eq!(server.get("/api/v1/endpoints?service=other").await["endpoints"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn reconnecting_neither_loses_nor_doubles_anything() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut who = greeting("shop", "shop-1");
    let mut first = server.attach_as(who.clone()).await;
    first.report(Snapshot, &[("/a", hits(10))]).await;
    first.report(Change, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 11).await;

    // The second stream's snapshot contains what the first stream did not deliver, and what
    // happened since.
    who.session = 2;
    let mut second = server.attach_as(who.clone()).await;
    second.report(Snapshot, &[("/a", hits(20))]).await;
    second.report(Change, &[("/a", hits(2))]).await;

    server.row_with("shop", "/a", 22).await;
    assert!(first.ended().await.message().contains("newer stream"));
    first.report(Change, &[("/a", hits(1000))]).await;
    second.report(Snapshot, &[("/a", hits(22))]).await;
    second.report(Change, &[("/b", hits(1))]).await;
    server.row_with("shop", "/b", 1).await;
    server.row_with("shop", "/a", 22).await;

    who.session = 1;
    assert!(server.attach_as(who).await.ended().await.message().contains("not newer"));
    server.stop().await;
}

#[tokio::test]
async fn a_new_process_counts_on_top_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut who = greeting("shop", "shop-1");
    let mut first = server.attach_as(who.clone()).await;
    first.report(Snapshot, &[("/a", hits(10))]).await;
    first.window(slot_of(now_ms()) - 1, false, &[("/a", hits(10))]).await;
    let is_kept = async || if server.get("/api/v1/status").await["store"]["windows"]["kept"] == 1 { Ok(()) } else { Err(()) };
    eventually(is_kept).await;
    server.row_with("shop", "/a", 10).await;
    let mut old = who.clone();
    old.session += 1;

    who.epoch += 1_000_000;
    let mut again = server.attach_as(who).await;
    again.report(Snapshot, &[("/a", hits(3))]).await;

    server.row_with("shop", "/a", 13).await;

    // The earlier process is still alive, and continues from its own counts.
    let mut back = server.attach_as(old).await;
    back.report(Snapshot, &[("/a", hits(11))]).await;
    server.row_with("shop", "/a", 14).await;
    server.stop().await;
}

#[tokio::test]
async fn a_repeated_report_changes_nothing_and_a_missing_one_asks_for_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut who = greeting("shop", "shop-1");
    let mut sidecar = server.attach_as(who.clone()).await;
    sidecar.report(Snapshot, &[("/a", hits(1))]).await;

    let change = sidecar.frame(Change, &[("/a", hits(2))]);
    sidecar.send(change.clone().into()).await;
    sidecar.send(change.into()).await;
    server.row_with("shop", "/a", 3).await;

    sidecar.seq += 1;
    sidecar.report(Change, &[("/a", hits(4))]).await;
    assert!(sidecar.ended().await.message().contains("snapshot"));

    who.session = 2;
    let mut again = server.attach_as(who).await;
    again.report(Snapshot, &[("/a", hits(9))]).await;
    server.row_with("shop", "/a", 9).await;
    server.stop().await;
}

#[tokio::test]
async fn what_happened_before_the_control_plane_started_is_counted_but_is_no_burst() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut who = greeting("shop", "shop-1");
    who.epoch -= 3600 * 1_000_000_000;

    let mut sidecar = server.attach_as(who).await;
    sidecar.report(Snapshot, &[("/a", hits(3_600_000))]).await;

    let row = server.row_with("shop", "/a", 3_600_000).await;
    let rps = row["rps"].as_f64().unwrap();
    assert!(rps < 20_000.0, "a thousand a second for an hour is no burst of millions: {rps}");
    server.stop().await;
}

#[tokio::test]
async fn a_pod_that_said_goodbye_is_gone_and_its_counts_stay() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/a", hits(10))]).await;
    sidecar.send(up::Message::Bye(Bye::default())).await;

    eventually(async || {
        let pods = server.get("/api/v1/pods").await;
        let pod = &pods["pods"][0];
        if pod["state"] == "gone" && pod["connected"] == false { Ok(()) } else { Err(pods) }
    })
    .await;
    let row = server.row_with("shop", "/a", 10).await;
    assert_eq!(row["pods"], json!([]), "{row}");
    server.stop().await;
}

#[tokio::test]
async fn requests_that_a_rule_answered_are_counted_separately() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut golden = GoldenMetrics::default();
    (golden.hits, golden.by_rule) = (30, 30);
    golden.add_status(503, 30);

    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/off", golden)]).await;

    let row = server.row_with("shop", "/off", 30).await;
    assert_eq!((&row["by_rule"], &row["failed"], &row["avg_ms"]), (&json!(30), &json!(0), &json!(null)), "{row}");
    assert!(row["blocked_rps"].as_f64().unwrap() > 0.0, "{row}");
    server.stop().await;
}
