//! Tests that a command must match known endpoints, reports the rule in force, and overrides a protected path only on request.

use mesh::endpoint::Endpoint;
use mesh::report::Coverage::Snapshot;
use mesh::rule::{Protection, Scope};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{TestControlPlane, disable_command, eventually, greeting, hits};

/// The command to turn off an endpoint that has already been called.
fn seen(route: &str) -> Value {
    let mut order = disable_command("shop", route);
    order.as_object_mut().unwrap().remove("allow_unseen");
    order
}

async fn ask(server: &TestControlPlane, order: &Value) -> (StatusCode, Value) {
    server.ask(Method::POST, "/api/v1/rules", Some(order)).await
}

#[tokio::test]
async fn a_rule_that_no_request_can_meet_is_refused_with_the_nearest_names_or_allowed_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/orders/{id}", hits(1)), ("/orders/{id}/items", hits(1))]).await;
    server.row_with("shop", "/orders/{id}", 1).await;

    for (route, words) in [
        ("/orders/*", "set scope to prefix"),
        ("/orders/{x...}", "similar names: GET /orders/{id}"),
        ("/ordrs/{id}", "similar names: GET /orders/{id}"),
        ("/nothing/like/it", "allow_unseen"),
    ] {
        let (status, problem) = ask(&server, &seen(route)).await;
        assert_eq!((status.as_u16(), &problem["type"]), (422, &json!("urn:sitio:problem:unseen")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    assert_eq!(server.get("/api/v1/rules").await["rules"], json!([]));

    let mut named_otherwise = seen("/orders/{orderId}");
    named_otherwise["method"] = json!("get");
    let (status, rule) = ask(&server, &named_otherwise).await;
    assert_eq!((status, &rule["method"], &rule["route"]), (StatusCode::CREATED, &json!("GET"), &json!("/orders/{id}")), "{rule}");
    assert_eq!(rule["warnings"], json!([]));

    let (status, rule) = ask(&server, &disable_command("shop", "/soon")).await;
    assert_eq!(status, StatusCode::CREATED, "{rule}");
    assert!(rule["warnings"][0].as_str().unwrap().contains("no request for GET /soon was ever counted"), "{rule}");
    sidecar.report(Snapshot, &[("/orders/{id}", hits(1)), ("/orders/{id}/items", hits(1)), ("/soon", hits(1))]).await;
    server.row_with("shop", "/soon", 1).await;
    assert_eq!(server.get("/api/v1/rules/r2").await["warnings"], json!([]), "it is met by now");
    server.stop().await;
}

#[tokio::test]
async fn a_rule_for_a_pattern_that_is_pinned_needs_no_request_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let _sidecar = server.attach("shop", "shop-1").await;
    server.wait_for_pod("shop-1").await;
    let pin = json!({"service": "shop", "pattern": "/reports/{year}"});
    assert_eq!(server.ask(Method::POST, "/api/v1/routes", Some(&pin)).await.0, StatusCode::CREATED);

    let (status, rule) = ask(&server, &seen("/reports/{y}")).await;

    assert_eq!(
        (status, &rule["route"], &rule["warnings"]),
        (StatusCode::CREATED, &json!("/reports/{year}"), &json!([])),
        "{rule}"
    );
    server.stop().await;
}

#[tokio::test]
async fn an_operator_overrides_what_a_pod_protects_with_a_warning_and_an_audit_entry() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut who = greeting("shop", "shop-1");
    who.protected = vec!["/pay".into()];
    let mut sidecar = server.attach_as(who).await;
    sidecar.report(Snapshot, &[("/pay", hits(1))]).await;
    server.row_with("shop", "/pay", 1).await;
    sidecar.rules().await;
    let (status, problem) = ask(&server, &seen("/pay")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(problem["detail"].as_str().unwrap().contains("override_protected"), "{problem}");

    let mut overriding = seen("/pay");
    overriding["override_protected"] = json!(true);
    let (status, rule) = ask(&server, &overriding).await;

    assert_eq!((status, &rule["override_protected"]), (StatusCode::CREATED, &json!(true)), "{rule}");
    assert!(rule["warnings"][0].as_str().unwrap().contains("probes of /pay get 503"), "{rule}");
    assert_eq!(sidecar.rules().await.rules[0].protection, Protection::Overridden);
    sidecar.confirm(1).await;
    server.receipt(&rule, "shop-1", "applied").await;
    assert_eq!(server.row("shop", "/pay").await["state"], "off");
    let entry = server.get("/api/v1/audit").await["audit"][0].clone();
    assert_eq!(entry["event"], "turned_off");
    assert!(entry["note"].as_str().unwrap().contains("probes of /pay get 503"), "{entry}");
    server.stop().await;
    let server = TestControlPlane::start(folder.path());
    assert_eq!(server.get("/api/v1/rules/r1").await["override_protected"], true, "it is on disk");
    server.stop().await;
}

#[tokio::test]
async fn a_prefix_turns_off_all_that_is_below_it_but_health_paths() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar
        .report(Snapshot, &[("/legacy/a", hits(1)), ("/legacy/{id}/b", hits(1)), ("/new", hits(1)), ("/healthz", hits(1))])
        .await;
    server.row_with("shop", "/new", 1).await;
    sidecar.rules().await;
    let mut wide = seen("/legacy/*");
    (wide["method"], wide["scope"]) = (json!("*"), json!("prefix"));

    let (status, rule) = ask(&server, &wide).await;

    assert_eq!((status, &rule["scope"], &rule["warnings"]), (StatusCode::CREATED, &json!("prefix"), &json!([])), "{rule}");
    let sent = sidecar.rules().await.rules;
    assert_eq!((sent[0].scope, &sent[0].endpoint), (Scope::Prefix, &Endpoint::named("*", "/legacy/*").unwrap()));
    assert_eq!(server.row("shop", "/legacy/a").await["state"], "turning_off");
    sidecar.confirm(1).await;
    server.receipt(&rule, "shop-1", "applied").await;
    for (route, state) in [("/legacy/a", "off"), ("/legacy/{id}/b", "off"), ("/new", "on"), ("/legacy/*", "null")] {
        let row = server.row("shop", route).await;
        assert_eq!(row["state"].as_str().unwrap_or("null"), state, "{route}: {row}");
    }

    wide["route"] = json!("/*");
    let (_, all) = ask(&server, &wide).await;
    assert_eq!(all["warnings"], json!(["health paths stay on: /healthz"]), "{all}");
    sidecar.rules().await;
    sidecar.confirm(2).await;
    server.receipt(&all, "shop-1", "applied").await;
    assert_eq!(
        (&server.row("shop", "/new").await["state"], &server.row("shop", "/healthz").await["state"]),
        (&json!("off"), &json!("protected"))
    );

    server.ask(Method::DELETE, "/api/v1/rules/r1", None).await;
    server.ask(Method::DELETE, "/api/v1/rules/r2", None).await;
    assert_eq!(server.row("shop", "/new").await["state"], "turning_on");
    while sidecar.rules().await.revision < 4 {}
    sidecar.confirm(4).await;
    eventually(async || match server.row("shop", "/new").await {
        row if row["state"] == "on" => Ok(()),
        row => Err(row),
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_second_operator_sees_the_author_reason_and_end_of_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/export", hits(1))]).await;
    server.row_with("shop", "/export", 1).await;
    let (_, first) = ask(&server, &seen("/export")).await;

    let (status, problem) = ask(&server, &seen("/export")).await;

    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("urn:sitio:problem:duplicate")));
    let already = &problem["rule"];
    for field in ["id", "by", "reason", "created_at", "expires_at"] {
        assert_eq!(already[field], first[field], "{field}: {problem}");
    }
    let detail = problem["detail"].as_str().unwrap();
    for words in ["r1", "operator", "a test asks for it", first["expires_at"].as_str().unwrap()] {
        assert!(detail.contains(words), "{words}: {detail}");
    }

    // The dialog shows the same before anything is sent.
    let id = server.row("shop", "/export").await["id"].as_str().unwrap().to_owned();
    let impact = server.get(&format!("/endpoints/{id}/impact")).await;
    assert!(
        impact["warnings"][0].as_str().unwrap().starts_with("Rule r1 by operator has turned GET /export off since"),
        "{impact}"
    );
    let wide = server.get(&format!("/endpoints/{id}/impact?prefix=/*")).await;
    assert_eq!((&wide["endpoint"], &wide["endpoints"][0][0]), (&json!("every endpoint"), &json!("GET /export")), "{wide}");
    assert!(wide["health"].as_str().unwrap().contains("/healthz"), "{wide}");
    server.stop().await;
}

#[tokio::test]
async fn an_empty_list_of_pods_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let _sidecar = server.attach("shop", "shop-1").await;
    server.wait_for_pod("shop-1").await;
    let mut nowhere = disable_command("shop", "/export");

    for pods in [json!([]), Value::Null] {
        nowhere["pods"] = pods;
        let (status, problem) = ask(&server, &nowhere).await;
        assert_eq!(status.as_u16(), 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("pods"), "{problem}");
    }
    assert_eq!(server.get("/api/v1/rules").await["rules"], json!([]));
    server.stop().await;
}
