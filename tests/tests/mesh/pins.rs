//! Tests pinned route patterns: they apply on every pod, merge existing rows, and change no total.

use anyhow::ensure;
use reqwest::StatusCode;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;
use scenario::small_mesh::SmallMesh;
use serde_json::json;

/// Waits until the routes of a service have exactly these hits.
#[track_caller]
fn expect_routes(mesh: &SmallMesh, service: &str, expected: &[(&str, u64)]) {
    eventually(SOON, || {
        let rows = mesh.api().endpoints()?;
        let mut hits: Vec<_> = rows
            .iter()
            .filter(|row| row["service"] == service && row["hits"] != 0)
            .map(|row| (row["route"].as_str().unwrap_or_default(), row["hits"].as_u64().unwrap_or_default()))
            .collect();
        hits.sort_unstable();
        ensure!(hits == expected, "{hits:?}");
        Ok(())
    });
}

#[test]
fn a_pin_folds_old_rows_on_every_pod_and_no_total_changes() {
    let mut mesh = SmallMesh::start("people", 2);
    for (pod, name) in mesh.pods.iter().zip(["jane", "bob"]) {
        (0..5).for_each(|_| drop(pod.get(&format!("/users/{name}"))));
        pod.get("/about");
    }
    expect_routes(&mesh, "people", &[("/about", 2), ("/users/bob", 5), ("/users/jane", 5)]);

    let pin = mesh.api().pin("people", "/users/{name}");

    expect_routes(&mesh, "people", &[("/about", 2), ("/users/{name}", 10)]);
    eventually(SOON, || {
        let route = mesh.api().json(&format!("/api/v1/routes/{pin}"))?;
        ensure!(route["state"] == "applied" && route["pods"].as_array().is_some_and(|pods| pods.len() == 2), "{route}");
        Ok(())
    });
    mesh.pods[0].get("/users/zoe");
    expect_routes(&mesh, "people", &[("/about", 2), ("/users/{name}", 11)]);
    let stats: serde_json::Value = serde_json::from_str(&mesh.pods[0].admin("/stats").text()).expect("the statistics are JSON");
    assert!(stats["/users/{name}"]["hit"] == 6 && stats["/users/jane"].is_null(), "{stats}");

    // A restarted control plane has only the rules, and receives the same totals from the pods.
    mesh.control_plane.process.kill();
    mesh.control_plane.restart();
    expect_routes(&mesh, "people", &[("/about", 2), ("/users/{name}", 11)]);

    mesh.api().unpin(&pin);
    eventually(SOON, || {
        mesh.pods[1].get("/users/max");
        let rows = mesh.api().endpoints()?;
        ensure!(rows.iter().any(|row| row["route"] == "/users/max" && row["hits"] != 0), "{rows:?}");
        Ok(())
    });
    let audit = mesh.api().json("/api/v1/audit").expect("the book can be read");
    let events: Vec<_> = audit["audit"].as_array().into_iter().flatten().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["unpinned", "pinned"]);
}

#[test]
fn a_pin_that_makes_no_sense_is_refused_with_a_reason() {
    let mesh = SmallMesh::start("people", 1);
    let api = mesh.api();
    let refusal = |service: &str, pattern: &str| {
        let (status, answer) = api.ask_to_pin(&json!({"service": service, "pattern": pattern})).expect("the API answers");
        (status, answer["type"].as_str().unwrap_or_default().rsplit(['/', ':', '#']).next().unwrap_or_default().to_owned())
    };
    assert_eq!(refusal("people", "/a/{b").0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refusal("missing", "/a").0, StatusCode::NOT_FOUND);
    api.pin("people", "/users/{name}");
    assert_eq!(refusal("people", "/users/{id}").0, StatusCode::CONFLICT, "it recognises the same paths");
    api.turn_off("people", "GET /files/{id}", "1h");
    assert_eq!(refusal("people", "/files/{name}").0, StatusCode::CONFLICT, "the endpoint would be on again");
}

#[test]
fn a_rule_on_a_pinned_route_turns_all_of_it_off() {
    let mesh = SmallMesh::start("people", 1);
    mesh.api().pin("people", "/users/{name}");
    let rule = mesh.api().turn_off("people", "GET /users/{name}", "1h");
    mesh.api().expect_applied(&rule, &mesh.names());
    mesh.pods[0].get("/users/jane").expect_blocked_by(&rule);
    mesh.pods[0].get("/users/42?full=1").expect_blocked_by(&rule);
    assert_eq!(mesh.pods[0].get("/users").status(), 200);
}

#[test]
fn patterns_can_be_pinned_by_setting() {
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).with("SITIO_ROUTES", "/users/{name},/files/{path...}").start();
    for path in ["/users/jane", "/users/42", "/files/a/b.txt", "/files/", "/orders/42"] {
        sidecar.get(path);
    }
    eventually(SOON, || {
        let stats: serde_json::Value = serde_json::from_str(&sidecar.admin("/stats").text())?;
        let hits = ["/users/{name}", "/files/{path...}", "/orders/{id}"].map(|route| stats[route]["hit"].as_u64());
        ensure!(hits == [Some(2), Some(2), Some(1)], "{stats}");
        Ok(())
    });
}
