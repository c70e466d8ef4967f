//! Tests that decorators act from the API, from the command line, from the page and from a file, with receipts and counts.

use std::fs;

use anyhow::ensure;
use scenario::api::http_client;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;
use scenario::small_mesh::SmallMesh;
use serde_json::{Value, json};

/// Makes a rule with this action for everything that the service has.
fn decorate(mesh: &SmallMesh, fields: &Value) -> (u16, Value) {
    let mut order = json!({
        "service": "legacy", "method": "*", "route": "/*", "scope": "prefix", "ttl": "1h", "reason": "a test", "allow_unseen": true,
    });
    order.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let (status, answer) = mesh.api().order(&order).unwrap();
    (status.as_u16(), answer)
}

/// Waits until the API shows that the rule has acted, or would have, so often.
fn expect_counts(mesh: &SmallMesh, rule: &str, acted: u64, shadowed: u64) {
    eventually(SOON, || {
        let shown = mesh.api().json(&format!("/api/v1/rules/{rule}"))?;
        ensure!((shown["acted"].as_u64(), shown["shadowed"].as_u64()) == (Some(acted), Some(shadowed)), "{shown}");
        Ok(())
    });
}

#[test]
fn a_rule_decorates_every_pod_is_counted_and_ends() {
    let mesh = SmallMesh::start("legacy", 3);
    let action = json!({"action": {"headers": {"response": {"set": {"X-Decorated": "yes"}}}}});
    let (status, rule) = decorate(&mesh, &action);
    assert_eq!((status, rule["action"]["headers"]["response"]["set"]["X-Decorated"].as_str()), (201, Some("yes")), "{rule}");
    let id = rule["id"].as_str().unwrap();
    mesh.api().expect_applied(id, &mesh.names());
    for pod in &mesh.pods {
        assert_eq!(pod.get("/a").header("X-Decorated"), Some("yes"));
    }
    expect_counts(&mesh, id, 3, 0);
    let (again, problem) = decorate(&mesh, &action);
    assert_eq!((again, problem["type"].as_str()), (409, Some("urn:sitio:problem:duplicate")), "{problem}");
    mesh.api().withdraw(id);
    eventually(SOON, || {
        let left = mesh.pods.iter().filter(|pod| pod.get("/a").header("X-Decorated").is_some()).count();
        ensure!(left == 0, "{left} pods still decorate");
        Ok(())
    });
    let audit = mesh.api().json("/api/v1/audit").unwrap();
    let events: Vec<&str> = audit["audit"].as_array().unwrap().iter().filter_map(|entry| entry["event"].as_str()).collect();
    assert_eq!(events, ["undecorated", "refused", "decorated"], "{audit}");
    assert!(audit["audit"][2]["action"].as_str().unwrap().contains("X-Decorated"), "{audit}");
}

#[test]
fn a_shadow_says_what_would_be_off_and_the_switch_stays_on() {
    let mesh = SmallMesh::start("legacy", 2);
    let (status, rule) = decorate(&mesh, &json!({"action": {"disable": {"status": 410}}, "mode": "shadow"}));
    assert_eq!(status, 201, "{rule}");
    let id = rule["id"].as_str().unwrap();
    mesh.api().expect_applied(id, &mesh.names());
    for _ in 0..5 {
        mesh.pods.iter().for_each(|pod| assert_eq!(pod.get("/a").status(), 200));
    }
    expect_counts(&mesh, id, 0, 10);
    let page = mesh.api().page("/decorators").unwrap();
    assert!(page.contains("shadow") && page.contains("would have"), "{page}");
    let row = mesh.api().endpoints().unwrap().into_iter().find(|row| row["route"] == "/a").unwrap();
    assert_eq!(row["state"], "on", "{row}");
}

#[test]
fn what_is_configured_wrongly_is_refused_before_any_pod_gets_it() {
    let mesh = SmallMesh::start("legacy", 1);
    for (fields, part) in [
        (json!({"action": {"rate-limit": {"requests": 0, "per": "1s"}}}), "`requests` is 1 to"),
        (json!({"action": {"rate-limits": {}}}), "rate-limit"),
        (json!({"action": {}}), "exactly one of"),
        (json!({"action": {"fault": {"abort": 500}}, "percent": 101}), "percent is 1 to 100"),
        (json!({"action": {"fault": {"abort": 500}}, "callers": ["home"]}), "callers"),
        (json!({"action": {"error-page": {"on": [404], "html_file": "/etc/passwd"}}}), "html_file is only for a file"),
        (json!({"action": {"headers": {"request": {"set": {"Content-Length": "0"}}}}}), "cannot be edited"),
        (json!({"action": {"headers": {"request": {"set": {"X": "a\r\nb: c"}}}}}), "control character"),
    ] {
        let (status, problem) = decorate(&mesh, &fields);
        assert!(status == 422 && problem["detail"].as_str().unwrap_or_default().contains(part), "{fields}: {status} {problem}");
    }
    assert_eq!(mesh.pods[0].get("/a").status(), 200);
}

#[test]
fn the_command_line_and_the_page_make_the_same_rules() {
    let mesh = SmallMesh::start("legacy", 1);
    mesh.pods[0].get("/a");
    mesh.api().expect_hits("legacy", 1);
    let added = mesh.sitio(&["decorate", "legacy", "/*", "--with", "fault: {abort: 503}", "--reason", "a test", "--wait"]);
    added.success();
    assert_eq!(mesh.pods[0].get("/a").header("X-Sitio-Decorator"), Some("fault"));
    let listed = mesh.sitio(&["rules"]);
    assert!(listed.success().contains("fault"));
    let id = mesh.api().json("/api/v1/rules").unwrap()["rules"][0]["id"].as_str().unwrap().to_owned();
    let removed = mesh.sitio(&["undecorate", &id, "--wait"]);
    removed.success();
    assert_eq!(mesh.pods[0].get("/a").status(), 200);
    let wrong = mesh.sitio(&["decorate", "legacy", "/*", "--with", "faults: {}", "--reason", "a test"]);
    assert!(wrong.failed(2).contains("an example: "));

    let base = format!("http://127.0.0.1:{}", mesh.control_plane.http_port);
    let form = "service=default%2Flegacy&method=*&route=%2F*&action=rate-limit%3A%20%7Brequests%3A%201%2C%20per%3A%201h%7D\
                &percent=100&callers=&mode=enforce&ttl=1h&reason=by+the+page";
    let client = http_client().build().unwrap();
    let answer = client
        .post(format!("{base}/decorators"))
        .header("Origin", &base)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    let page = answer.text().unwrap();
    assert!(page.contains("rate-limit") && page.contains("by the page"), "{page}");
    eventually(SOON, || {
        ensure!(mesh.pods[0].get("/a").status() == 429, "not limited yet");
        Ok(())
    });
}

#[test]
fn a_file_decorates_and_its_changes_apply_without_a_restart() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::start());
    let path = folder.path().join("decorators.yaml");
    let page = |words: &str| format!("decorators:\n- action:\n    headers:\n      response: {{set: {{X-Words: {words}}}}}\n");
    fs::write(&path, page("first")).unwrap();
    let pod = Sidecar::builder(origin.port()).with("SITIO_DECORATORS", path.to_str().unwrap()).start();
    assert_eq!(pod.get("/a").header("X-Words"), Some("first"));
    fs::write(&path, "decorators: [").unwrap();
    fs::write(&path, page("second")).unwrap();
    eventually(SOON, || {
        let answer = pod.get("/a");
        ensure!(answer.header("X-Words") == Some("second"), "still {:?}", answer.header("X-Words"));
        Ok(())
    });
    assert!(pod.metric("sitio_rule_actions_total", "result=\"acted\"") > 0);
}
