//! Tests the OpenAPI description: it is valid, its examples work, and the typed client parses all of them.

use std::io::{Read, Write};
use std::time::Duration;

use api::audit::Audit;
use api::callers::Callers;
use api::endpoints::Endpoints;
use api::history::History;
use api::notifications::{NotificationTest, NotificationTestResult, Notifications};
use api::pods::Pods;
use api::routes::{PinCommand, Route, Routes};
use api::rules::{Rule, RuleCommand, Rules};
use api::status::{About, Status};
use api::timeline::Timeline;
use reqwest::blocking::{Client, Response};
use scenario::api::http_client;
use scenario::control_plane::ControlPlane;
use scenario::openapi::{Description, Operation};
use scenario::reserved_port::ReservedPort;
use scenario::small_mesh::SmallMesh;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn description(control_plane: &ControlPlane) -> Description {
    Description { document: control_plane.api().json("/api/v1/openapi.json").unwrap() }
}

#[test]
fn the_description_is_valid_and_so_are_its_examples() {
    let description = description(&ControlPlane::start());
    let mut claims = Vec::new();
    for operation in description.operations() {
        if let Some(body) = operation.body() {
            claims.push(operation.claim_body(body.clone()));
        }
        if operation.answers_json() && operation.path != "/api/v1/openapi.json" {
            let example = operation.answer().unwrap_or_else(|| panic!("{} {} has no example", operation.method, operation.path));
            claims.push(operation.claim_answer(example.clone()));
        }
    }
    assert_eq!(description.wrong(&claims), Vec::<String>::new());
}

#[test]
fn an_example_that_breaks_its_schema_is_reported() {
    let description = description(&ControlPlane::start());
    let operations = description.operations();
    let status = operations.iter().find(|operation| operation.path == "/api/v1/status").unwrap();

    let wrong = description.wrong(&[status.claim_answer(json!({"uptime_s": "a text"}))]);

    assert!(wrong.iter().any(|line| line.contains("/api/v1/status")), "{wrong:?}");
}

/// The order of operations: creations first, so that reads find their objects, and deletions last.
fn turn(operation: &Operation) -> u8 {
    match (operation.method.as_str(), operation.path.contains('{')) {
        ("POST", false) => 0,
        ("GET", _) => 1,
        ("DELETE", _) => 3,
        _ => 2,
    }
}

fn ask(client: &Client, base: &str, operation: &Operation) -> Response {
    let url = format!("{base}{}", operation.target());
    let request = client.request(operation.method.parse().unwrap(), url);
    let request = match operation.body() {
        Some(body) => request.json(body),
        None => request,
    };
    request.send().unwrap()
}

#[test]
fn the_examples_are_executed_and_what_is_answered_is_what_is_described() {
    // The examples name a channel; its receiver is away.
    let (away, mut channels) = (ReservedPort::reserve(), tempfile::NamedTempFile::new().unwrap());
    writeln!(channels, "channels: [{{ name: ops, webhook: {{ url: \"http://127.0.0.1:{}/\" }} }}]", away.port).unwrap();
    let settings = [("SITIO_NOTIFICATIONS_FILE", channels.path().to_str().unwrap())];
    let mesh = SmallMesh::of(ControlPlane::with(&settings), "legacy", 2);
    mesh.pods.iter().for_each(|pod| assert_eq!(pod.get("/bytes/1").status(), 200));
    mesh.api().expect_hits("legacy", 2);
    let description = description(&mesh.control_plane);
    let base = format!("http://127.0.0.1:{}", mesh.control_plane.http_port);
    let client = http_client().timeout(Duration::from_secs(20)).build().unwrap();
    let mut operations = description.operations();
    operations.sort_by_key(turn);

    let mut claims = Vec::new();
    for operation in &operations {
        let mut response = ask(&client, &base, operation);
        let name = format!("{} {}", operation.method, operation.target());
        let status = response.status().as_u16();
        if operation.path == "/api/v1/tap" {
            let mut begun = [0; 10];
            response.read_exact(&mut begun).unwrap();
            assert_eq!(&begun, b"event: tap", "{name}");
            continue;
        }
        let text = response.text().unwrap();
        assert_eq!(status, operation.status(), "{name}: {text}");
        if operation.answers_json() {
            claims.push(operation.claim_answer(serde_json::from_str(&text).unwrap()));
        }
    }
    // A pin is also a rule, and must match the description of rules.
    let pin = mesh.api().pin("legacy", "/pinned/{name}");
    let of_rules =
        operations.iter().find(|operation| operation.method == "GET" && operation.path == "/api/v1/rules/{id}").unwrap();
    claims.push(of_rules.claim_answer(mesh.api().json(&format!("/api/v1/rules/{pin}")).unwrap()));
    assert!(claims.len() >= 14, "only {} answers were JSON", claims.len());
    assert_eq!(description.wrong(&claims), Vec::<String>::new());
}

/// Checks that a type parses an example and serializes all of it again.
#[track_caller]
fn reads<T: DeserializeOwned + Serialize>(example: &Value) {
    let written = serde_json::to_value(serde_json::from_value::<T>(example.clone()).unwrap()).unwrap();
    assert_eq!(written, *example, "{}", std::any::type_name::<T>());
}

#[test]
fn every_example_is_read_and_written_again_unchanged() {
    let description = description(&ControlPlane::start());
    let operations = description.operations();
    let operation = |method: &str, path: &str| {
        let path = format!("/api/v1/{path}");
        let found = operations.iter().find(|operation| operation.method == method && operation.path == path);
        found.unwrap_or_else(|| panic!("{method} {path} is not described")).clone()
    };
    let answer = |method: &str, path: &str| operation(method, path).answer().unwrap().clone();

    reads::<About>(&answer("GET", "about"));
    reads::<Endpoints>(&answer("GET", "endpoints"));
    reads::<Callers>(&answer("GET", "endpoints/{id}/callers"));
    reads::<History>(&answer("GET", "endpoints/{id}/history"));
    reads::<Timeline>(&answer("GET", "timeline"));
    reads::<Pods>(&answer("GET", "pods"));
    reads::<Notifications>(&answer("GET", "notifications"));
    reads::<NotificationTestResult>(&answer("POST", "notifications/test"));
    reads::<NotificationTest>(operation("POST", "notifications/test").body().unwrap());
    reads::<Audit>(&answer("GET", "audit"));
    reads::<Rules>(&answer("GET", "rules"));
    reads::<Routes>(&answer("GET", "routes"));
    reads::<Status>(&answer("GET", "status"));
    for (method, path) in [("POST", "rules"), ("GET", "rules/{id}"), ("DELETE", "rules/{id}"), ("POST", "rules/{id}/resend")] {
        reads::<Rule>(&answer(method, path));
    }
    for (method, path) in [("POST", "routes"), ("GET", "routes/{id}"), ("DELETE", "routes/{id}")] {
        reads::<Route>(&answer(method, path));
    }
    reads::<RuleCommand>(operation("POST", "rules").body().unwrap());
    reads::<PinCommand>(operation("POST", "routes").body().unwrap());
}
