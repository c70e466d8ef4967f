//! Tests `sitio disable`, `enable` and `tap`: effect on callers, `--wait`, dry runs, prefixes and exit codes.

use anyhow::ensure;
use rustix::process::Signal;
use scenario::cli::client_command;
use scenario::eventually::{SOON, eventually};
use scenario::process::Process;
use scenario::small_mesh::SmallMesh;

/// A service on `pods` pods, with one request to one endpoint.
fn legacy(pods: usize) -> SmallMesh {
    let mesh = SmallMesh::start("legacy", pods);
    assert_eq!(mesh.pods[0].get("/bytes/10").status(), 200);
    mesh.api().expect_hits("legacy", 1);
    mesh
}

const WHY: [&str; 2] = ["--reason", "a scenario asks for it"];

fn disable<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["disable", "legacy", "GET", "/bytes/{id}"], more, &WHY].concat()
}

#[test]
fn waiting_ends_when_every_pod_answers_503_and_again_when_every_pod_answers_200() {
    let mesh = legacy(3);

    let off = mesh.sitio(&disable(&["--wait", "--ttl", "10m"]));
    assert!(mesh.names().iter().all(|pod| off.err.contains(&format!("{pod}: confirmed in "))), "{off:?}");
    let off = off.success();
    assert!(off.contains("GET /bytes/{id} of legacy is off on 3 pods") && off.contains("back on in 10 min"), "{off}");
    for pod in &mesh.pods {
        assert_eq!(pod.get("/bytes/10").status(), 503, "nothing is waited for any more");
    }

    let twice = mesh.sitio(&disable(&[])).failed(1);
    assert!(twice.contains("already in force: rule r1 by operator") && twice.contains("sitio rules"), "{twice}");
    assert!(twice.contains("a scenario asks for it") && twice.contains(", until 20"), "why, and until when: {twice}");

    let on = mesh.sitio(&["enable", "legacy", "GET", "/bytes/{id}", "--wait"]).success();
    assert_eq!(on, "GET /bytes/{id} of legacy is on again on 3 pods\n");
    for pod in &mesh.pods {
        assert_eq!(pod.get("/bytes/10").status(), 200);
    }
    let nothing = mesh.sitio(&["enable", "legacy", "GET", "/bytes/{id}"]).failed(1);
    assert!(nothing.contains("no rule has turned it off"), "{nothing}");
}

#[test]
fn a_dry_run_ends_with_the_code_that_the_command_would_end_with() {
    let mesh = legacy(2);
    let orders: [&[&str]; 5] = [
        &["legacy", "GET", "/bytes/{id}"],
        &["legacy", "GET", "/bytes/{id}", "--pods", "nosuch"],
        &["legacy", "GET", "/bytes/{id}", "--pods", "legacy-0,nosuch"],
        &["nosuch", "GET", "/bytes/{id}"],
        // Again, while the first one is in force.
        &["legacy", "GET", "/bytes/{id}"],
    ];
    let mut codes = Vec::new();
    for order in orders {
        let command = [&["disable"][..], order, &WHY].concat();
        let dry = mesh.sitio(&[&command[..], &["--dry-run"]].concat());
        let wet = mesh.sitio(&command);
        assert_eq!(dry.code, wet.code, "{order:?}: {dry:?}, {wet:?}");
        assert!(dry.out.starts_with("Nothing was changed."), "{dry:?}");
        assert_eq!(dry.out.contains("it would be refused: "), wet.code != Some(0), "{dry:?}");
        codes.push(wet.code);
    }
    assert_eq!(codes, [0, 1, 1, 1, 1].map(Some));
}

#[test]
fn a_pod_that_does_not_answer_is_named_and_changes_the_exit_code() {
    let mesh = legacy(2);
    let lost = mesh.names[1].clone();
    // The process is stopped, not ended: its stream stays open and silent.
    mesh.pods[1].process.signal(Signal::STOP);

    let output = mesh.sitio(&disable(&["--wait", "--timeout", "1s"]));

    mesh.pods[1].process.signal(Signal::CONT);
    assert_eq!(output.code, Some(1), "{output:?}");
    let words = output.err.lines().last().unwrap();
    assert!(words.contains("off on 1 of 2 pods") && words.contains(&format!("no answer within 1s from {lost}")), "{output:?}");
    assert!(words.contains("sitio rules") && words.contains("sitio enable"), "{words}");
}

#[test]
fn a_rule_withdrawn_meanwhile_is_not_reported_as_off() {
    let mesh = legacy(2);
    mesh.pods[1].process.signal(Signal::STOP);
    let waits = disable(&["--wait", "--timeout", "60s"]);
    let mut waiting = Process::start(client_command(mesh.control_plane.http_port, &waits));
    eventually(SOON, || {
        ensure!(mesh.api().json("/api/v1/rules")?["rules"].as_array().is_some_and(|rules| rules.len() == 1), "no rule yet");
        Ok(())
    });
    mesh.sitio(&["enable", "r1"]).success();
    mesh.pods[1].process.signal(Signal::CONT);
    assert_eq!(waiting.ended(SOON).code(), Some(1), "{:?}", waiting.stderr());
    let words = waiting.stderr().pop().unwrap();
    assert!(words.contains("legacy is on: ") && words.contains("has taken rule r1 back"), "{words}");
}

#[test]
fn chosen_pods_a_status_and_json_are_as_asked_for() {
    let mesh = legacy(2);
    let rule = mesh.sitio(&disable(&["--wait", "--pods", "legacy-1", "--status", "410", "--ttl", "none", "-o", "json"])).json();
    assert_eq!((&rule["state"], &rule["expires_at"]), (&"applied".into(), &serde_json::Value::Null), "{rule}");
    assert_eq!(mesh.pods[0].get("/bytes/10").status(), 200);
    assert_eq!(mesh.pods[1].get("/bytes/10").status(), 410);
    let endpoint = mesh.api().endpoints().unwrap().remove(0);
    assert_eq!((&endpoint["state"], &endpoint["rule"]), (&"partly_off".into(), &"r1".into()), "one of two serves");
    assert!(mesh.sitio(&["stat", "legacy"]).success().contains("partly off"));

    let id = rule["id"].as_str().unwrap();
    assert_eq!(mesh.sitio(&["enable", id, "--wait"]).success(), "GET /bytes/{id} of legacy is on again on 1 pod\n");
    assert_eq!(mesh.pods[1].get("/bytes/10").status(), 200);
    let ended = mesh.sitio(&["enable", id]).failed(1);
    assert!(ended.contains("has ended already") && ended.contains("sitio audit"), "{ended}");
    // An endpoint without requests may be a typing error, but can be turned off with a flag.
    let never = ["disable", "legacy", "get", "/byte/{number}", "--reason", "a scenario asks for it", "--wait"];
    let mistyped = mesh.sitio(&never).failed(1);
    assert!(mistyped.contains("similar names: GET /bytes/{id}") && mistyped.contains("--allow-unseen"), "{mistyped}");
    let allowed = mesh.sitio(&[&never[..], &["--allow-unseen"]].concat());
    assert!(allowed.err.starts_with("sitio: warning: no request for GET /byte/{id} was ever counted"), "{allowed:?}");
    assert!(allowed.success().contains("GET /byte/{id} of legacy is off on 2 pods"));
    let no_route = mesh.sitio(&["disable", "legacy", "GET", "bytes", "--reason", "a scenario asks for it"]).failed(1);
    assert!(no_route.contains("did you mean one of these"), "{no_route}");
    let unknown = mesh.sitio(&disable(&["--pods", "legacy-9"])).failed(1);
    assert!(unknown.contains("no pod legacy-9"), "{unknown}");
}

#[test]
fn without_waiting_it_says_where_to_look_and_a_dry_run_changes_nothing() {
    let mesh = legacy(2);
    let dry = mesh.sitio(&disable(&["--dry-run"])).success();
    for words in ["Nothing was changed", "2: legacy-0, legacy-1", "1 in the last minute", "get 503 for 1h"] {
        assert!(dry.contains(words), "{words}: {dry}");
    }
    assert_eq!(mesh.api().json("/api/v1/rules").unwrap()["rules"].as_array().unwrap().len(), 0);

    let output = mesh.sitio(&disable(&[])).success();
    assert!(output.contains("is being turned off on 2 pods") && output.contains("sitio rules r1"), "{output}");
    let dry = mesh.sitio(&disable(&["--dry-run"])).out;
    assert!(dry.contains("rule r1 is in force for it already"), "{dry}");
    let output = mesh.sitio(&["enable", "/bytes/{id}"]).success();
    assert!(output.contains("rule r1 has ended"), "{output}");
}

#[test]
fn a_whole_prefix_is_turned_off_and_on_by_its_name_with_what_it_concerns() {
    let mesh = legacy(2);
    assert_eq!((mesh.pods[1].get("/bytes/a/b").status(), mesh.pods[0].get("/other").status()), (200, 200));
    mesh.api().expect_hits("legacy", 3);

    let dry = mesh.sitio(&["disable", "legacy", "/bytes/*", "--dry-run", "--reason", "a scenario asks for it"]).success();
    for words in
        ["every endpoint under /bytes/ of legacy", "2: legacy-0, legacy-1", "2 endpoints: GET /bytes/", "2 in the last minute"]
    {
        assert!(dry.contains(words), "{words}: {dry}");
    }
    let off = mesh.sitio(&["disable", "legacy", "/bytes/*", "--wait", "--reason", "a scenario asks for it"]).success();
    assert!(off.contains("every endpoint under /bytes/ of legacy is off on 2 pods"), "{off}");
    for pod in &mesh.pods {
        let statuses = ["/bytes/10", "/bytes/a/b", "/bytes/never/seen", "/other", "/healthz"].map(|path| pod.get(path).status());
        assert_eq!(statuses, [503, 503, 503, 200, 200]);
    }
    let twice = mesh.sitio(&["disable", "legacy", "/bytes/*", "--reason", "a scenario asks for it"]).failed(1);
    assert!(twice.contains("rule r1 by operator has turned every endpoint under /bytes/ off since"), "{twice}");
    mesh.sitio(&["enable", "legacy", "/bytes/*", "--wait"]).success();
    assert_eq!(mesh.pods[0].get("/bytes/10").status(), 200);

    // The whole service, including health paths.
    let all = ["disable", "legacy", "/*", "--wait", "--override-protected", "--reason", "a scenario asks for it"];
    let all = mesh.sitio(&all);
    assert!(all.err.contains("sitio: warning: health paths are turned off: probes of"), "{all:?}");
    assert!(all.success().contains("every endpoint of legacy is off on 2 pods"));
    assert_eq!(["/other", "/healthz"].map(|path| mesh.pods[1].get(path).status()), [503, 503]);
}

#[test]
fn a_rule_whose_pods_are_gone_turns_nothing_off_and_says_so() {
    let mut mesh = legacy(2);
    mesh.sitio(&disable(&["--pods", "legacy-0", "--wait"])).success();
    // The pod closes its stream in order, as in a rollout.
    drop(mesh.pods.remove(0));
    eventually(SOON, || {
        let pods = mesh.api().pods()?;
        ensure!(pods.iter().any(|pod| pod["pod"] == "legacy-0" && pod["state"] == "gone"), "{pods:?}");
        Ok(())
    });

    let rule = mesh.api().json("/api/v1/rules/r1").unwrap();
    assert_eq!(rule["state"], "pending", "no pod obeys it: {rule}");
    assert_eq!(mesh.api().endpoints().unwrap()[0]["state"], "turning_off");
    let check = mesh.sitio(&["check"]).out;
    assert!(check.contains("turns nothing off: no pod is connected") && !check.contains("confirmed by every pod"), "{check}");

    let other = ["disable", "legacy", "GET", "/status/{id}", "--pods", "legacy-0", "--allow-unseen", WHY[0], WHY[1]];
    let wet = mesh.sitio(&other).failed(1);
    let dry = mesh.sitio(&[&other[..], &["--dry-run"]].concat());
    let why = "pod legacy-0 of service legacy is gone";
    assert!(wet.contains(why) && dry.code == Some(1) && dry.out.contains(why), "{wet} / {dry:?}");
}

#[test]
fn without_any_pod_a_rule_waits_for_the_first_and_is_not_said_to_be_in_force() {
    let mut mesh = legacy(1);
    mesh.pods.clear();
    eventually(SOON, || {
        let pods = mesh.api().pods()?;
        ensure!(pods.iter().all(|pod| pod["state"] == "gone"), "{pods:?}");
        Ok(())
    });

    let waits = mesh.sitio(&disable(&[])).success();
    assert!(waits.contains("rule r1: GET /bytes/{id} of legacy waits: no pod is connected"), "{waits}");
    let other = ["disable", "legacy", "GET", "/status/{id}", "--allow-unseen", "--wait", "--timeout", "1s", WHY[0], WHY[1]];
    let waited = mesh.sitio(&other);
    assert_eq!((waited.code, waited.out.as_str()), (Some(1), ""), "{waited:?}");
    assert!(waited.err.contains("is off on 0 of 0 pods") && waited.err.contains("no pod is connected"), "{waited:?}");
    let rules = mesh.sitio(&["rules"]).success();
    assert!(!rules.contains("applied") && !rules.contains("confirmed by every pod"), "{rules}");

    // The first pod that connects obeys both.
    let pod = mesh.another_pod("legacy-9");
    eventually(SOON, || {
        let statuses = ["/bytes/10", "/status/204"].map(|path| pod.get(path).status());
        ensure!(statuses == [503, 503], "{statuses:?}");
        Ok(())
    });
}

#[test]
fn a_tap_shows_a_line_for_each_request_and_ends_by_ctrl_c() {
    let mesh = legacy(1);
    let mut tap = Process::start(client_command(mesh.control_plane.http_port, &["tap", "legacy", "--status", "5xx"]));
    eventually(SOON, || {
        assert_eq!(mesh.pods[0].get("/status/502").status(), 502);
        assert_eq!(mesh.pods[0].get("/status/204").status(), 204);
        ensure!(!tap.stdout().is_empty(), "nothing is shown yet");
        Ok(())
    });
    tap.signal(Signal::INT);
    assert_eq!(tap.ended(SOON).code(), Some(0), "{:?}", tap.stderr());
    for line in tap.stdout() {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!((words[1], words[4], words[5], words[6]), ("502", "GET", "/status/502", "legacy"), "{line}");
    }
    assert!(tap.stderr().last().unwrap().contains("shown"), "{:?}", tap.stderr());
}

#[test]
fn a_tap_ends_when_its_output_is_closed() {
    let mesh = legacy(1);
    let url = format!("http://127.0.0.1:{}", mesh.control_plane.http_port);
    let mut command = std::process::Command::new("sh");
    command.env("SITIO_URL", url).env("SITIO", scenario::process::program("sitio"));
    command.args(["-c", "{ \"$SITIO\" tap legacy -o json; echo \"it ended with $?\" >&2; } | head -n 1"]);
    let mut shell = Process::start(command);
    eventually(SOON, || {
        mesh.pods[0].get("/bytes/10");
        ensure!(!shell.stdout().is_empty(), "nothing is shown yet");
        Ok(())
    });

    // The command ends although no other request follows.
    assert_eq!(shell.ended(SOON).code(), Some(0));
    let shown: serde_json::Value = serde_json::from_str(&shell.stdout()[0]).unwrap();
    assert_eq!((&shown["pod"], &shown["path"]), (&"legacy-0".into(), &"/bytes/10".into()));
    assert_eq!(shell.stderr().last().unwrap(), "it ended with 0", "{:?}", shell.stderr());
}

#[test]
fn a_tap_reports_what_it_does_not_show() {
    let mesh = legacy(1);
    let mut tap = Process::start(client_command(mesh.control_plane.http_port, &["tap", "legacy", "--rate", "1"]));
    let mut client = mesh.pods[0].connect();
    eventually(SOON, || {
        (0..50).for_each(|_| assert_eq!(client.get("/bytes/1").status(), 200));
        ensure!(tap.stderr().iter().any(|line| line.contains("more not shown")), "nothing is left out yet");
        Ok(())
    });
    tap.signal(Signal::INT);
    assert_eq!(tap.ended(SOON).code(), Some(0));
    assert!(tap.stderr().last().unwrap().contains("over 1 a second (--rate)"), "{:?}", tap.stderr());
}

#[test]
fn turning_an_endpoint_on_leaves_its_decorators_in_force() {
    let mesh = legacy(1);
    let with = ["--with", "headers: {preset: security}", "--wait"];
    mesh.sitio(&[&["decorate", "legacy", "GET", "/bytes/{id}"], &with[..], &WHY].concat()).success();
    mesh.sitio(&disable(&["--wait"])).success();

    mesh.sitio(&["enable", "legacy", "GET", "/bytes/{id}", "--wait"]).success();

    let rules = mesh.sitio(&["rules", "-o", "json"]).json();
    assert_eq!((&rules["rules"][0]["id"], rules["rules"].as_array().map(Vec::len)), (&"r1".into(), Some(1)), "{rules}");
    let refused = mesh.sitio(&["enable", "r1"]).failed(1);
    assert!(refused.contains("sitio undecorate r1"), "{refused}");
}
