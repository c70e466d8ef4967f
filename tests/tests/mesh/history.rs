//! Tests the exchange history, which is read from the pods on demand.

use anyhow::ensure;
use scenario::client::Client;
use scenario::eventually::{SOON, eventually};
use scenario::sidecar::Sidecar;
use scenario::small_mesh::SmallMesh;
use serde_json::Value;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The id of an endpoint, once it is listed with this number of hits.
fn id(mesh: &SmallMesh, method: &str, route: &str, hits: u64) -> String {
    eventually(SOON, || {
        let rows = mesh.api().endpoints()?;
        let row = rows.iter().find(|row| row["route"] == route && row["method"] == method && row["hits"] == hits);
        ensure!(row.is_some(), "no {route} with {hits} hits among {rows:?}");
        Ok(row.unwrap()["id"].as_str().unwrap().to_owned())
    })
}

fn history(mesh: &SmallMesh, id: &str, query: &str) -> Value {
    mesh.api().json(&format!("/api/v1/endpoints/{id}/history{query}")).unwrap()
}

/// One column of the history, ordered by pod: exchanges that started in the same millisecond have no other order.
fn column<'a>(history: &'a Value, name: &str) -> Vec<&'a Value> {
    let mut rows: Vec<&Value> = history["exchanges"].as_array().unwrap().iter().collect();
    rows.sort_by_key(|row| row["pod"].as_str());
    rows.into_iter().map(|row| &row[name]).collect()
}

#[test]
fn what_was_sent_is_what_is_shown() {
    let mesh = SmallMesh::start("shop", 2);
    let mut client = mesh.pods[0].connect();
    client.send(format!("GET /bytes/7?secret=1 HTTP/1.1\r\nHost: shop\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n"));
    assert_eq!(client.response("GET").status(), 200);
    assert_eq!(mesh.pods[1].get("/bytes/9").status(), 200);
    let id = id(&mesh, "GET", "/bytes/{id}", 2);

    let history = history(&mesh, &id, "");

    assert_eq!(column(&history, "path"), ["/bytes/7", "/bytes/9"], "without the query: {history}");
    assert_eq!(column(&history, "pod"), ["shop-0", "shop-1"]);
    assert_eq!(column(&history, "status"), [200, 200]);
    assert_eq!(column(&history, "outcome"), ["answered", "answered"]);
    assert_eq!(column(&history, "caller"), ["127.0.0.1", "127.0.0.1"]);
    assert_eq!(column(&history, "trace_id"), [&Value::from(TRACE), &Value::Null]);
    assert_eq!(column(&history, "bytes_out"), [7, 9]);
    for row in history["exchanges"].as_array().unwrap() {
        let (first, took) = (row["first_byte_ms"].as_f64().unwrap(), row["took_ms"].as_f64().unwrap());
        assert!(first > 0.0 && first <= took, "{row}");
    }
    let page = mesh.api().page(&format!("/endpoints/{id}")).unwrap();
    assert!(page.contains("/bytes/9") && page.contains(TRACE) && !page.contains("secret"), "{page}");
}

#[test]
fn the_outcome_names_the_side_that_failed() {
    let mesh = SmallMesh::start("shop", 0);
    let unknown = scenario::reserved_port::ReservedPort::reserve();
    let pod = |name: &str| Sidecar::builder(unknown.port).named("shop", name).reports_to(mesh.control_plane.grpc_port).start();
    let pod = pod("shop-0");
    mesh.api().expect_pods(&["shop-0"]);
    assert_eq!(pod.get("/alone").status(), 502);
    let rule = mesh.api().turn_off("shop", "GET /off", "1h");
    mesh.api().expect_applied(&rule, &["shop-0"]);
    assert_eq!(pod.get("/off").status(), 503);

    let alone = history(&mesh, &id(&mesh, "GET", "/alone", 1), "");
    assert_eq!(
        (column(&alone, "outcome"), column(&alone, "first_byte_ms")),
        (vec![&Value::from("upstream-connect")], vec![&Value::Null])
    );
    let off = history(&mesh, &id(&mesh, "GET", "/off", 1), "?status=5xx");
    assert_eq!((column(&off, "outcome"), column(&off, "rule")), (vec![&Value::from("rule")], vec![&Value::from(rule)]));
}

#[test]
fn thousands_of_requests_are_a_few_that_matter_and_the_lone_failure_is_among_them() {
    let mesh = SmallMesh::start("shop", 1);
    let mut client = mesh.pods[0].connect();
    for at in 0..3000 {
        let status = if at == 700 { 500 } else { 200 };
        assert_eq!(client.get(&format!("/status/{status}")).status(), status);
    }
    let id = id(&mesh, "GET", "/status/{id}", 3000);

    let failures = history(&mesh, &id, "?status=5xx");
    assert_eq!(column(&failures, "path"), ["/status/500"]);
    let all = history(&mesh, &id, "?limit=1000");
    let kept = column(&all, "path").len();
    assert!((10..=64).contains(&kept), "{kept}");
}

#[test]
fn a_pod_that_was_killed_is_named_as_missing_and_the_rest_is_shown() {
    let mut mesh = SmallMesh::start("shop", 2);
    mesh.pods.iter().for_each(|pod| assert_eq!(pod.get("/a").status(), 200));
    let id = id(&mesh, "GET", "/a", 2);

    mesh.pods[1].process.kill();

    let history = history(&mesh, &id, "");
    assert_eq!((column(&history, "pod"), &history["missing"]), (vec![&Value::from("shop-0")], &Value::from(vec!["shop-1"])));
}

#[test]
fn what_a_pod_has_failed_is_still_to_be_seen_when_it_is_dead() {
    let mut mesh = SmallMesh::start("shop", 2);
    assert_eq!(mesh.pods[0].get("/status/500").status(), 500);
    assert_eq!(mesh.pods[1].get("/status/503").status(), 503);
    assert_eq!(mesh.pods[1].get("/status/200").status(), 200);
    let id = id(&mesh, "GET", "/status/{id}", 3);

    mesh.pods[1].process.kill();

    let failures = history(&mesh, &id, "?status=5xx");
    assert_eq!(column(&failures, "path"), ["/status/500", "/status/503"], "{failures}");
    assert_eq!(column(&failures, "told_before"), [false, true]);
    assert_eq!((&failures["pods"], &failures["missing"]), (&Value::from(vec!["shop-0"]), &Value::from(vec!["shop-1"])));
    let page = mesh.api().page(&format!("/endpoints/{id}?history=failures")).unwrap();
    assert!(page.contains("/status/503") && page.contains("cached"), "{page}");
}

#[test]
fn a_query_is_kept_if_that_is_asked_for_and_a_strange_path_is_only_text() {
    let mesh = SmallMesh::start("shop", 0);
    let plan = Sidecar::builder(mesh.origin.port()).named("shop", "shop-0").reports_to(mesh.control_plane.grpc_port);
    let pod = plan.with("SITIO_HISTORY_QUERY", "keep").start();
    mesh.api().expect_pods(&["shop-0"]);
    let long = format!("/a?q='%3Cscript%3E&%FF%FE{}", "%F0%9F%98%80".repeat(40));
    let mut client = Client::connect(pod.port);
    assert_eq!(client.get(&long).status(), 200);

    let id = id(&mesh, "GET", "/a", 1);
    let history = history(&mesh, &id, "");

    let path = history["exchanges"][0]["path"].as_str().unwrap();
    assert!(long.starts_with(path) && (250..=256).contains(&path.len()), "{path}");
    let page = mesh.api().page(&format!("/endpoints/{id}")).unwrap();
    assert!(page.contains("%FF%FE") && !page.contains("q='"), "{page}");
}
