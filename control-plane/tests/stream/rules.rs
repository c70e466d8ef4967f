//! Tests that a command makes a revision that reaches every pod, and counts as applied only after the pods confirm it.

use control_plane::clock::now_ms;
use mesh::report::Coverage::Snapshot;
use proto::convert::greeting::KnownRules;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{TestControlPlane, disable_command, eventually, greeting, hits};

#[tokio::test]
async fn a_rule_is_sent_confirmed_and_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (mut one, mut two) = (server.attach("legacy", "legacy-1").await, server.attach("legacy", "legacy-2").await);
    one.report(Snapshot, &[("/export", hits(1))]).await;
    assert!(
        one.rules().await.rules.is_empty() && two.rules().await.rules.is_empty(),
        "rules come at once, even if there are none"
    );
    server.row_with("legacy", "/export", 1).await;

    let rule = server.turn_off("legacy", "/export").await;
    assert_eq!((&rule["state"], &rule["by"], &rule["id"]), (&json!("pending"), &json!("operator"), &json!("r1")), "{rule}");
    assert_eq!(server.row("legacy", "/export").await["state"], "turning_off");

    let sent = one.rules().await;
    assert_eq!((sent.revision, sent.rules[0].id.as_str()), (1, "r1"));
    one.confirm(1).await;
    let applied = server.receipt(&rule, "legacy-1", "applied").await;
    assert!(applied["took_ms"].is_u64(), "{applied}");
    server.receipt(&rule, "legacy-2", "pending").await;
    assert_eq!(server.row("legacy", "/export").await["state"], "turning_off", "one of two is not all");

    assert_eq!(two.rules().await.revision, 1);
    two.confirm(1).await;
    server.receipt(&rule, "legacy-2", "applied").await;
    let row = server.row("legacy", "/export").await;
    assert_eq!((&row["state"], &row["rule"]), (&json!("off"), &json!("r1")), "{row}");

    let (status, ended) = server.ask(Method::DELETE, "/api/v1/rules/r1", None).await;
    assert_eq!((status, &ended["state"], &ended["ended"]["by"]), (StatusCode::OK, &json!("withdrawn"), &json!("operator")));
    assert_eq!(server.row("legacy", "/export").await["state"], "turning_on");
    for sidecar in [&mut one, &mut two] {
        let sent = sidecar.rules().await;
        assert_eq!((sent.revision, sent.rules.len()), (2, 0));
        sidecar.confirm(2).await;
    }
    server.receipt(&rule, "legacy-1", "applied").await;
    eventually(async || match server.row("legacy", "/export").await {
        row if row["state"] == "on" => Ok(()),
        row => Err(row),
    })
    .await;
    let (status, problem) = server.ask(Method::DELETE, "/api/v1/rules/r1", None).await;
    assert_eq!((status, &problem["title"]), (StatusCode::CONFLICT, &json!("The rule has ended already")));
    assert_eq!(server.get("/api/v1/rules").await["rules"], json!([]));
    let audit = server.get("/api/v1/audit").await;
    let events: Vec<_> = audit["audit"].as_array().unwrap().iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["refused", "turned_on", "turned_off"], "{audit}");
    server.stop().await;
}

#[tokio::test]
async fn a_pod_that_comes_later_gets_the_rules_at_once_and_has_a_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let _early = server.attach("legacy", "legacy-1").await;
    server.wait_for_pod("legacy-1").await;
    let rule = server.turn_off("legacy", "/export").await;

    let mut late = server.attach("legacy", "legacy-2").await;
    assert_eq!(late.rules().await.rules.len(), 1);
    late.confirm(1).await;

    server.receipt(&rule, "legacy-2", "applied").await;
    let mut other = server.attach("web", "web-1").await;
    let set = other.rules().await;
    assert_eq!((set.revision, set.rules.len()), (1, 0), "another service has nothing to obey");
    server.stop().await;
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_reason_and_can_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("legacy", "legacy-1").await;
    server.wait_for_pod("legacy-1").await;
    let rule = server.turn_off("legacy", "/export").await;
    assert_eq!(sidecar.rules().await.revision, 0);
    assert_eq!(sidecar.rules().await.revision, 1);
    sidecar.refuse(1, "r1", "it does not know how").await;

    let receipt = server.receipt(&rule, "legacy-1", "refused").await;
    assert_eq!(receipt["why"], "it does not know how");

    let (status, _) = server.ask(Method::POST, "/api/v1/rules/r1/resend", None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(sidecar.rules().await.revision, 1, "the same set is sent again");
    sidecar.confirm(1).await;
    server.receipt(&rule, "legacy-1", "applied").await;
    server.stop().await;
}

/// Returns a pod's row in the API, once the pod has confirmed this revision.
async fn confirmed(server: &TestControlPlane, pod: &str, revision: u64) -> Value {
    eventually(async || {
        let pods = server.get("/api/v1/pods").await;
        let row = pods["pods"].as_array().unwrap().iter().find(|row| row["pod"] == pod).cloned().unwrap_or_default();
        if row["confirmed"]["revision"] == revision { Ok(row) } else { Err(row) }
    })
    .await
}

#[tokio::test]
async fn pods_of_another_service_get_a_revision_with_their_next_report_and_are_not_behind_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (mut meant, mut other) = (server.attach("legacy", "legacy-1").await, server.attach("web", "web-1").await);
    for sidecar in [&mut meant, &mut other] {
        assert_eq!(sidecar.rules().await.revision, 0);
        sidecar.confirm(0).await;
    }
    confirmed(&server, "legacy-1", 0).await;
    confirmed(&server, "web-1", 0).await;

    server.turn_off("legacy", "/export").await;

    assert_eq!(meant.rules().await.revision, 1);
    assert_eq!(confirmed(&server, "legacy-1", 0).await["revision_wanted"], 1, "it is behind");
    assert_eq!(confirmed(&server, "web-1", 0).await["revision_wanted"], 0, "nothing has changed for it");
    meant.confirm(1).await;
    assert_eq!(confirmed(&server, "legacy-1", 1).await["revision_wanted"], 1);
    other.report(Snapshot, &[("/", hits(1))]).await;
    let set = other.rules().await;
    assert_eq!((set.revision, set.rules.len()), (1, 0));
    other.confirm(1).await;
    confirmed(&server, "web-1", 1).await;

    // The end of a rule is a change too, also after a restart.
    server.ask(Method::DELETE, "/api/v1/rules/r1", None).await;
    assert_eq!(confirmed(&server, "legacy-1", 1).await["revision_wanted"], 2);
    server.stop().await;
    let server = TestControlPlane::start(folder.path());
    let mut meant = server.attach("legacy", "legacy-1").await;
    assert_eq!(meant.rules().await.revision, 2);
    meant.confirm(2).await;
    assert_eq!(confirmed(&server, "legacy-1", 2).await["revision_wanted"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_receipt_is_timed_from_when_the_rules_were_sent_also_after_a_resend() {
    const WAITED_MS: u64 = 1000;
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (_meant, mut other) = (server.attach("legacy", "legacy-1").await, server.attach("web", "web-1").await);
    server.wait_for_pod("legacy-1").await;
    server.turn_off("legacy", "/export").await;
    other.report(Snapshot, &[("/", hits(1))]).await;
    while other.rules().await.revision < 1 {}
    other.confirm(1).await;
    confirmed(&server, "web-1", 1).await;

    // It has nothing to receive again. The resend is handled before the report that follows.
    server.ask(Method::POST, "/api/v1/rules/r1/resend", None).await;
    other.report(Snapshot, &[("/", hits(2))]).await;
    server.row_with("web", "/", 2).await;
    server.turn_off("legacy", "/other").await;
    let committed_ms = now_ms();
    eventually(async || if now_ms() > committed_ms + WAITED_MS { Ok(()) } else { Err("it has not waited") }).await;
    let before_ms = now_ms();
    other.report(Snapshot, &[("/", hits(3))]).await;
    assert_eq!(other.rules().await.revision, 2);
    other.confirm(2).await;

    // Counted from the commit, it would be longer than all that has happened since the report by the wait above.
    let took_ms = confirmed(&server, "web-1", 2).await["confirmed"]["took_ms"].as_u64().unwrap();
    let since_report_ms = now_ms() - before_ms;
    assert!(took_ms <= since_report_ms + 1, "{took_ms} of {since_report_ms} ms");
    server.stop().await;
}

#[tokio::test]
async fn rules_and_the_audit_book_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut who = greeting("legacy", "legacy-1");
    let mut sidecar = server.attach_as(who.clone()).await;
    let store = sidecar.rules().await.store;
    let rule = server.turn_off("legacy", "/export").await;
    server.stop().await;

    let server = TestControlPlane::start(folder.path());
    who.session = 2;
    let mut sidecar = server.attach_as(who).await;
    let set = sidecar.rules().await;
    assert_eq!((set.store, set.revision, set.rules[0].id.as_str()), (store, 1, "r1"));
    sidecar.confirm(1).await;
    server.receipt(&rule, "legacy-1", "applied").await;
    assert_eq!(server.get("/api/v1/audit").await["audit"][0]["reason"], "a test asks for it");
    assert_eq!(server.turn_off("legacy", "/other").await["id"], "r2");
    server.stop().await;
}

#[tokio::test]
async fn a_rule_lapses_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("legacy", "legacy-1").await;
    assert_eq!(sidecar.rules().await.revision, 0);
    let mut order = disable_command("legacy", "/export");
    order["ttl"] = json!("1s");
    let (status, _) = server.ask(Method::POST, "/api/v1/rules", Some(&order)).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(sidecar.rules().await.rules.len(), 1);

    let set = sidecar.rules().await;

    assert_eq!((set.revision, set.rules.len()), (2, 0));
    assert_eq!(server.get("/api/v1/rules/r1").await["state"], "lapsed");
    let line = server.get("/api/v1/audit").await["audit"][0].clone();
    assert_eq!((&line["by"], &line["note"]), (&json!("sitio"), &json!("Time limit of 1s reached")), "{line}");
    server.stop().await;
}

#[tokio::test]
async fn a_rule_that_expires_without_any_pod_has_ended_when_one_connects() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("legacy", "legacy-1").await;
    sidecar.rules().await;
    let mut order = disable_command("legacy", "/export");
    order["ttl"] = json!("1s");
    server.ask(Method::POST, "/api/v1/rules", Some(&order)).await;
    server.stop().await;
    let gone_ms = now_ms();
    eventually(async || if now_ms() > gone_ms + 1000 { Ok(()) } else { Err("its time is not over") }).await;

    let server = TestControlPlane::start(folder.path());

    assert_eq!(server.get("/api/v1/rules/r1").await["state"], "lapsed");
    assert_eq!(server.get("/api/v1/rules").await["revision"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_command_that_makes_no_sense_is_refused_and_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let _sidecar = server.attach("legacy", "legacy-1").await;
    server.wait_for_pod("legacy-1").await;
    server.turn_off("legacy", "/taken").await;

    for (field, value, expected, words) in [
        ("service", json!("legacu"), 404, "legacy"),
        ("namespace", json!("other"), 404, "namespace other"),
        ("route", json!("no-slash"), 422, "begin with /"),
        ("route", json!("/users/4711"), 422, "/users/{id}"),
        ("route", json!("/healthz"), 409, "health path"),
        ("route", json!("/taken"), 409, "r1"),
        ("route", json!("(other)"), 422, "many endpoints"),
        ("method", json!("GET /"), 422, "method"),
        ("pods", json!(["legacy-7"]), 422, "legacy-7"),
        ("action", json!({"disable": {"status": 200}}), 422, "503"),
        ("action", json!({"explode": {}}), 422, "explode"),
        ("ttl", json!("soon"), 422, "soon"),
        ("ttl", json!("31days"), 422, "30 days"),
        ("reason", json!("  "), 422, "reason"),
        ("reason", json!("x".repeat(1025)), 422, "1024"),
        ("surprise", json!(1), 422, "surprise"),
        ("service", json!(7), 422, "service"),
    ] {
        let mut order = disable_command("legacy", "/x");
        order[field] = value;
        let (status, problem) = server.ask(Method::POST, "/api/v1/rules", Some(&order)).await;
        assert_eq!(status.as_u16(), expected, "{order}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{order}: {problem}");
        assert_eq!(problem["status"], expected);
    }
    let rules = server.get("/api/v1/rules").await;
    assert_eq!((rules["rules"].as_array().unwrap().len(), &rules["revision"]), (1, &json!(1)), "nothing has changed");
    let audit = server.get("/api/v1/audit").await;
    assert_eq!((&audit["entries"], &audit["audit"][0]["event"]), (&json!(14), &json!("refused")), "{audit}");
    server.stop().await;
}

#[tokio::test]
async fn a_new_store_is_noticed_by_the_rules_of_another_store_that_sidecars_still_apply() {
    let lost = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(lost.path());
    let mut who = greeting("legacy", "legacy-1");
    let mut sidecar = server.attach_as(who.clone()).await;
    let store = sidecar.rules().await.store;
    server.turn_off("legacy", "/export").await;
    server.stop().await;

    let new = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(new.path());
    assert_eq!(server.get("/api/v1/status").await["store"]["replaced"], Value::Null);
    who.session = 2;
    who.known = Some(KnownRules { store, revision: 1 });
    let mut sidecar = server.attach_as(who).await;
    assert_eq!(sidecar.rules().await.revision, 0);
    let why = server.get("/api/v1/status").await["store"]["replaced"].clone();
    assert!(why.as_str().is_some_and(|why| why.contains("revision 1 of another store") && why.contains("backup")), "{why}");
    server.stop().await;
}
