//! Tests the list commands `stat`, `pods`, `rules`, `audit`, `history` and `callers` in every format.

use std::fs;

use anyhow::ensure;
use rustix::process::Signal;
use scenario::cli::{client_command, run};
use scenario::eventually::{SOON, eventually};
use scenario::process::Process;
use scenario::small_mesh::SmallMesh;
use serde_json::Value;

/// A service on two pods with some requests.
fn shop() -> SmallMesh {
    let mesh = SmallMesh::start("shop", 2);
    for pod in &mesh.pods {
        (0..3).for_each(|_| assert_eq!(pod.get("/status/200").status(), 200));
        assert_eq!(pod.get("/bytes/10").status(), 200);
        assert_eq!(pod.get("/status/500").status(), 500);
    }
    mesh.api().expect_hits("shop", 10);
    mesh
}

/// The words of a table line.
fn words<'a>(table: &'a str, wanted: &str) -> Vec<&'a str> {
    let line = table.lines().find(|line| line.contains(wanted)).unwrap_or_else(|| panic!("no {wanted} in:\n{table}"));
    line.split_whitespace().collect()
}

#[test]
fn stat_shows_the_golden_metrics_of_every_endpoint() {
    let mesh = shop();

    let table = mesh.sitio(&["stat"]).success();
    assert_eq!(words(&table, "SERVICE")[..6], ["SERVICE", "METHOD", "ROUTE", "RPS", "HITS", "SUCCESS"]);
    let row = words(&table, "/status/{id}");
    assert_eq!((row[0], row[1], row[2], row[4]), ("shop", "GET", "/status/{id}", "8"), "{table}");
    assert_eq!(row[5], "75.00", "two of eight have failed: {table}");
    assert_eq!(*row.last().unwrap(), "on");
    assert!(!table.contains('\x1b'), "no colours in a pipe: {table:?}");

    let wide = mesh.sitio(&["stat", "shop", "-o", "wide"]).success();
    assert!(wide.contains("UNDER WAY") && wide.lines().next().unwrap().ends_with("ID"), "{wide}");
    assert!(mesh.sitio(&["stat", "--color", "always"]).success().contains('\x1b'));

    let json = mesh.sitio(&["stat", "-o", "json", "--window", "all"]).json();
    let output = mesh.api().json("/api/v1/endpoints?window=all").unwrap();
    let hits = |answer: &Value| -> Vec<_> {
        let rows = answer["endpoints"].as_array().unwrap().iter();
        rows.map(|row| (row["route"].as_str().unwrap().to_owned(), row["hits"].as_u64(), row["status"].clone())).collect()
    };
    assert_eq!(hits(&json), hits(&output), "as the API reports them");
    let yaml: Value = serde_norway::from_str(&mesh.sitio(&["stat", "-o", "yaml", "--window", "all"]).success()).unwrap();
    assert_eq!(hits(&yaml), hits(&output));

    let sorted = mesh.sitio(&["stat", "--sort", "hits"]).success();
    assert!(sorted.lines().nth(1).unwrap().contains("/status/{id}"), "{sorted}");
    assert!(mesh.sitio(&["stat", "missing"]).success().contains("no endpoint of a service missing"));
    assert!(mesh.sitio(&["stat", "-n", "elsewhere"]).success().contains("no endpoint"));
}

#[test]
fn watching_goes_on_until_ctrl_c() {
    let mesh = shop();
    let mut watching = Process::start(client_command(mesh.control_plane.http_port, &["stat", "--watch=100ms", "-o", "json"]));
    eventually(SOON, || {
        let output = watching.stdout().len();
        ensure!(output >= 3, "{output} lines so far");
        Ok(())
    });
    watching.signal(Signal::INT);
    assert_eq!(watching.ended(SOON).code(), Some(0), "{:?}", watching.stderr());
    for line in watching.stdout() {
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer["endpoints"].is_array(), "{line}");
    }
}

#[test]
fn pods_rules_and_the_audit_trail_are_tables_too() {
    let mesh = shop();
    assert_eq!(mesh.sitio(&["rules"]).success(), "no rule is in force: every endpoint is on\n");
    let rule = mesh.api().turn_off("shop", "GET /bytes/{id}", "1h");
    mesh.api().expect_applied(&rule, &mesh.names());

    let pods = mesh.sitio(&["pods"]).success();
    for pod in mesh.names() {
        assert_eq!(words(&pods, pod)[1..3], ["shop", "reporting"], "{pods}");
    }
    assert!(mesh.sitio(&["pods", "missing"]).success().contains("no pods found"));
    assert_eq!(mesh.sitio(&["pods", "shop", "-o", "json"]).json()["pods"].as_array().unwrap().len(), 2);

    let rules = mesh.sitio(&["rules"]).success();
    let row = words(&rules, &rule);
    assert_eq!(row[..8], [&rule, "shop", "GET", "/bytes/{id}", "503", "applied", "0", "2/2"], "{rules}");
    let one = mesh.sitio(&["rules", &rule]).success();
    assert!(mesh.names().iter().all(|pod| words(&one, pod)[1] == "applied"), "{one}");
    assert_eq!(mesh.sitio(&["rules", &rule, "-o", "json"]).json()["id"], rule.as_str());

    mesh.api().withdraw(&rule);
    let audit = mesh.sitio(&["audit"]).success();
    let events: Vec<_> = audit.lines().skip(1).map(|line| line.contains("turned on")).collect();
    assert_eq!(events, [true, false], "the newest first: {audit}");
    assert_eq!(mesh.sitio(&["audit", "--limit", "1", "-o", "json"]).json()["audit"].as_array().unwrap().len(), 1);
    assert!(mesh.sitio(&["rules", &rule]).success().contains("ended"));
}

#[test]
fn the_history_of_an_endpoint_is_found_by_its_words_and_by_its_id() {
    let mesh = shop();
    let page = mesh.sitio(&["history", "shop", "GET", "/status/{id}", "--status", "5xx"]).success();
    assert!(page.starts_with("GET /status/{id} of shop\n"), "{page}");
    assert_eq!(page.matches("/status/500").count(), 2, "{page}");

    let endpoints = mesh.api().endpoints().unwrap();
    let id = endpoints.iter().find(|row| row["route"] == "/bytes/{id}").unwrap()["id"].as_str().unwrap().to_owned();
    for selector in [&[id.as_str()][..], &["/bytes/{id}"], &["shop:GET:/bytes/{id}"], &["get /bytes/{id}"]] {
        let history = mesh.sitio(&[&["history", "-o", "json"], selector].concat()).json();
        assert_eq!((&history["id"], history["exchanges"].as_array().unwrap().len()), (&Value::from(id.as_str()), 2), "{history}");
    }
    let several = mesh.sitio(&["history", "shop"]).failed(1);
    assert!(several.contains("any of 2 endpoints") && several.contains(&id), "{several}");
    let none = mesh.sitio(&["history", "/byte"]).failed(1);
    assert!(none.contains("did you mean") && none.contains("/bytes/{id}"), "{none}");
}

#[test]
fn who_has_been_calling_is_a_table_with_every_hit_in_it() {
    let mesh = shop();
    let page = mesh.sitio(&["callers", "shop", "GET", "/bytes/{id}"]).success();
    assert!(page.starts_with("GET /bytes/{id} of shop\n"), "{page}");
    let row = words(&page, "127.0.0.1");
    assert_eq!((row[1], row[3], row[4]), ("–", "2", "100"), "{page}");
    let output = mesh.sitio(&["callers", "/bytes/{id}", "-o", "json"]).json();
    assert_eq!((&output["hits"], &output["callers"][0]["kind"]), (&Value::from(2), &Value::from("address")), "{output}");
    assert!(mesh.sitio(&["callers", "/bytes/{id}", "-o", "wide"]).success().contains("FROM"));
}

#[test]
fn every_failure_is_one_line_with_what_to_do_next() {
    let nothing = scenario::reserved_port::ReservedPort::reserve();
    let no_control_plane = run(client_command(nothing.port, &["stat"])).failed(1);
    assert_eq!(no_control_plane.lines().count(), 1, "{no_control_plane}");
    for word in ["list the endpoints", "refused", "sitio demo", "--url", "SITIO_URL"] {
        assert!(no_control_plane.contains(word), "{word}: {no_control_plane}");
    }

    let mesh = SmallMesh::start("shop", 1);
    // The service answers HTTP but is not a control plane.
    let foreign = run(client_command(mesh.origin.port(), &["stat"])).failed(1);
    assert!(foreign.contains("does not answer like a control plane"), "{foreign}");
    let unknown = mesh.sitio(&["tap", "missing"]).failed(1);
    assert!(unknown.contains("no pod of a service missing"), "{unknown}");
    let empty = mesh.sitio(&["history", "/anything"]).failed(1);
    assert!(empty.contains("no endpoint yet"), "{empty}");

    for misuse in [
        &["stat", "--window", "soon"][..],
        &["stat", "--window", "91d"],
        &["stat", "--url", "ftp://mesh.example"],
        &["stat", "--url", "http://me:secret@mesh.example"],
        &["stat", "-o", "xml"],
        &["stat", "--watch=1ms"],
        &["audit", "--limit", "0"],
        &["history"],
        &["callers"],
        &["disable", "shop", "GET", "/x"],
        &["disable", "shop", "GET", "/x", "--reason", "x", "--ttl", "later"],
        &["disable", "shop", "GET", "/x", "--reason", "x", "--status", "200"],
        &["enable"],
        &["stat", "--watch", "5s"],
        &["pods", "--watch", "5s"],
        &["tap", "--status", "9xx"],
        &["history", ""],
        &["callers", " "],
        &["enable", ":"],
        &["disable", "shop", "GET", "/x", "--reason", ""],
        &["disable", "shop", "GET", "/x", "--reason", "x", "--ttl", "0s"],
        &["disable", "shop", "GET", "/x", "--reason", "x", "--ttl", "31d"],
        &["disable", "shop", "GET", "/x", "--reason", "x", "--pods", ","],
        &["completions", "cmd.exe"],
    ] {
        let output = mesh.sitio(misuse).failed(2);
        assert_eq!(output.lines().count(), 1, "{misuse:?}: {output}");
    }
}

#[test]
fn a_token_comes_from_the_environment_or_from_a_file() {
    const TOKEN: &str = "a-token-of-a-decent-length-for-this-test";
    let folder = tempfile::tempdir().unwrap();
    let mut command = scenario::control_plane::bare();
    command.env("SITIO_TOKEN", TOKEN).env("SITIO_DATA_DIR", folder.path());
    let mut process = Process::start(command);
    let (port, _) = scenario::control_plane::ports(&mut process);
    let file = folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();

    let without = run(client_command(port, &["pods"])).failed(1);
    assert!(without.contains("SITIO_TOKEN") && without.contains("--token-file"), "{without}");
    let mut wrong = client_command(port, &["pods"]);
    wrong.env("SITIO_TOKEN", "another");
    let wrong = run(wrong).failed(1);
    assert!(wrong.contains("another token") && !wrong.contains(TOKEN), "{wrong}");

    let mut by_variable = client_command(port, &["pods"]);
    by_variable.env("SITIO_TOKEN", TOKEN);
    assert!(run(by_variable).success().contains("no pods found"));
    let path = file.to_str().unwrap();
    assert!(run(client_command(port, &["pods", "--token-file", path])).success().contains("no pods found"));
    let mut by_file = client_command(port, &["pods"]);
    by_file.env("SITIO_TOKEN_FILE", path);
    assert!(run(by_file).success().contains("no pods found"));
    let no_file = run(client_command(port, &["pods", "--token-file", "/no/such/file"])).failed(1);
    assert!(no_file.contains("/no/such/file"), "{no_file}");
}
