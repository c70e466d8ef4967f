//! Tests the OpenAPI description: it is valid, its examples work, and the typed client parses all of them.

use std::io::Read;
use std::time::Duration;

use client::about::About;
use client::audit::Audit;
use client::callers::Callers;
use client::endpoints::Endpoints;
use client::history::History;
use client::pods::Pods;
use client::routes::{Route, Routes};
use client::rules::{Order, Rule, Rules};
use client::status::Status;
use client::{callers, endpoints, pods, rules};
use reqwest::blocking::{Client, Response};
use scenario::api::http_client;
use scenario::control_plane::ControlPlane;
use scenario::openapi::{Description, Operation};
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
    let mesh = SmallMesh::start("legacy", 2);
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

/// Checks a client type against an example: it parses the example, and everything that it serializes is in the example.
#[track_caller]
fn understands<T: DeserializeOwned + Serialize>(example: &Value) {
    let told = serde_json::to_value(serde_json::from_value::<T>(example.clone()).unwrap()).unwrap();
    let name = std::any::type_name::<T>();
    assert!(is_part(&told, example), "{name} tells\n{told}\nof\n{example}");
}

/// Whether everything in `part` is in `whole`. A newer API may return more than a client knows.
fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|described| is_part(value, described)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_part(part, whole))
        }
        // 0 and 0.0 are the same number.
        (Value::Number(part), Value::Number(whole)) => part.as_f64() == whole.as_f64(),
        _ => part == whole,
    }
}

#[test]
fn the_client_parses_and_serializes_every_example() {
    let description = description(&ControlPlane::start());
    let operations = description.operations();
    let operation = |method: &str, path: &str| {
        let path = format!("/api/v1/{path}");
        let found = operations.iter().find(|operation| operation.method == method && operation.path == path);
        found.unwrap_or_else(|| panic!("{method} {path} is not described")).clone()
    };
    let answer = |method: &str, path: &str| operation(method, path).answer().unwrap().clone();

    understands::<About>(&answer("GET", "about"));
    understands::<Endpoints>(&answer("GET", "endpoints"));
    understands::<Callers>(&answer("GET", "endpoints/{id}/callers"));
    understands::<History>(&answer("GET", "endpoints/{id}/history"));
    understands::<Pods>(&answer("GET", "pods"));
    understands::<Audit>(&answer("GET", "audit"));
    understands::<Rules>(&answer("GET", "rules"));
    understands::<Routes>(&answer("GET", "routes"));
    understands::<Status>(&answer("GET", "status"));
    for (method, path) in [("POST", "rules"), ("GET", "rules/{id}"), ("DELETE", "rules/{id}"), ("POST", "rules/{id}/resend")] {
        understands::<Rule>(&answer(method, path));
    }
    for (method, path) in [("POST", "routes"), ("GET", "routes/{id}"), ("DELETE", "routes/{id}")] {
        understands::<Route>(&answer(method, path));
    }
    understands::<Order>(operation("POST", "rules").body().unwrap());
}

#[test]
fn the_client_knows_every_word_of_the_description() {
    let description = description(&ControlPlane::start());
    let schemas = &description.document["components"]["schemas"];
    let words = |schema: &Value| -> Vec<Value> { schema["enum"].as_array().unwrap().clone() };

    for word in words(&schemas["Endpoint"]["properties"]["state"]) {
        let state: endpoints::State = serde_json::from_value(word.clone()).unwrap();
        assert!(!matches!(state, endpoints::State::Other(_)), "{word}");
    }
    for word in words(&schemas["Caller"]["properties"]["kind"]) {
        let kind: callers::Kind = serde_json::from_value(word.clone()).unwrap();
        assert!(!matches!(kind, callers::Kind::Unknown(_)), "{word}");
    }
    for word in words(&schemas["Pod"]["properties"]["state"]) {
        let state: pods::State = serde_json::from_value(word.clone()).unwrap();
        assert!(!matches!(state, pods::State::Other(_)), "{word}");
    }
    for word in words(&schemas["Rule"]["properties"]["state"]) {
        let state: rules::State = serde_json::from_value(word.clone()).unwrap();
        assert!(!matches!(state, rules::State::Other(_)), "{word}");
    }
    for word in words(&schemas["Rule"]["properties"]["pods"]["items"]["properties"]["state"]) {
        let state: rules::ReceiptState = serde_json::from_value(word.clone()).unwrap();
        assert!(!matches!(state, rules::ReceiptState::Other(_)), "{word}");
    }
}
