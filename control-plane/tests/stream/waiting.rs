//! Tests that a rule without a matching pod is pending, and is never reported as applied.

use control_plane::clock::now_ms;
use mesh::report::Coverage::Snapshot;
use mesh::window::slot_of;
use proto::wire;
use proto::wire::{down, up};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{TestControlPlane, disable_command, eventually, greeting, hits};

/// Sends a command for a rule.
async fn ask(server: &TestControlPlane, order: &Value) -> (StatusCode, Value) {
    server.ask(Method::POST, "/api/v1/rules", Some(order)).await
}

/// Waits until a rule is in this state.
async fn state(server: &TestControlPlane, rule: &str, wanted: &str) {
    eventually(async || match server.get(&format!("/api/v1/rules/{rule}")).await {
        rule if rule["state"] == wanted => Ok(()),
        rule => Err(rule),
    })
    .await;
}

#[tokio::test]
async fn a_known_service_takes_a_rule_before_its_first_pod_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut who = greeting("legacy", "legacy-1");
    let mut sidecar = server.attach_as(who.clone()).await;
    sidecar.report(Snapshot, &[("/export", hits(3))]).await;
    sidecar.window(slot_of(now_ms()), false, &[("/export", hits(3))]).await;
    while !matches!(sidecar.next_message().await, Ok(Some(down::Message::Acked(_)))) {}
    server.stop().await;

    let server = TestControlPlane::start(folder.path());
    let (status, rule) = ask(&server, &disable_command("legacy", "/export")).await;
    assert_eq!((status, &rule["state"], &rule["pods"]), (StatusCode::CREATED, &json!("pending"), &json!([])), "{rule}");
    assert_eq!(server.row("legacy", "/export").await["state"], "turning_off", "no pod has confirmed that it is off");
    let page = server.get("/api/v1/rules").await;
    assert_eq!(page["rules"][0]["state"], "pending", "{page}");

    who.session = 2;
    let mut sidecar = server.attach_as(who).await;
    let sent = sidecar.rules().await;
    assert_eq!((sent.revision, sent.rules.len()), (1, 1));
    sidecar.confirm(1).await;
    state(&server, "r1", "applied").await;
    assert_eq!(server.row("legacy", "/export").await["state"], "off");
    server.stop().await;
}

#[tokio::test]
async fn a_rule_whose_pods_are_gone_is_in_force_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (mut old, mut new) = (server.attach("legacy", "legacy-1").await, server.attach("legacy", "legacy-2").await);
    for sidecar in [&mut old, &mut new] {
        assert_eq!(sidecar.rules().await.revision, 0);
        sidecar.confirm(0).await;
    }
    let mut chosen = disable_command("legacy", "/export");
    chosen["pods"] = json!(["legacy-1"]);
    assert_eq!(ask(&server, &chosen).await.0, StatusCode::CREATED);
    for sidecar in [&mut old, &mut new] {
        assert_eq!(sidecar.rules().await.revision, 1);
        sidecar.confirm(1).await;
    }
    state(&server, "r1", "applied").await;
    assert_eq!(server.row("legacy", "/export").await["state"], "partly_off");

    old.send(up::Message::Bye(wire::Bye { why: "a rollout".into() })).await;

    state(&server, "r1", "pending").await;
    assert_eq!(server.row("legacy", "/export").await["state"], "turning_off", "it is off on no pod");
    server.stop().await;
}

#[tokio::test]
async fn a_dry_run_answers_as_the_command_does_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut gone = server.attach("legacy", "legacy-1").await;
    let _there = server.attach("legacy", "legacy-2").await;
    assert_eq!(gone.rules().await.revision, 0);
    server.wait_for_pod("legacy-2").await;
    gone.send(up::Message::Bye(wire::Bye { why: "a rollout".into() })).await;
    eventually(async || match server.get("/api/v1/pods").await {
        pods if pods["pods"][0]["state"] == "gone" => Ok(()),
        pods => Err(pods),
    })
    .await;

    for (field, value) in [("pods", json!(["legacy-1"])), ("pods", json!(["legacy-7"])), ("route", json!("/healthz"))] {
        let mut wet = disable_command("legacy", "/export");
        wet[field] = value;
        let mut dry = wet.clone();
        dry["dry_run"] = json!(true);
        let (dry, wet) = (ask(&server, &dry).await, ask(&server, &wet).await);
        assert_eq!(dry, wet);
        assert!(wet.0.is_client_error(), "{wet:?}");
    }
    let entries = server.get("/api/v1/audit").await["entries"].clone();
    let mut dry = disable_command("legacy", "/export");
    dry["dry_run"] = json!(true);
    let (status, rule) = ask(&server, &dry).await;
    assert_eq!((status, &rule["id"], &rule["state"]), (StatusCode::OK, &json!(""), &json!("pending")), "{rule}");
    assert_eq!(rule["pods"][0]["pod"], "legacy-2", "{rule}");
    assert_eq!(server.get("/api/v1/rules").await["rules"], json!([]));
    assert_eq!(server.get("/api/v1/audit").await["entries"], entries, "the refused commands alone are written down");
    server.stop().await;
}
