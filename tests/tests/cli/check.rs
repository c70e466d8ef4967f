//! Tests `sitio check`, `dashboard`, `completions` and `man`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::ensure;
use rustix::process::Signal;
use scenario::cli::{bare, client_command, run};
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::reserved_port::ReservedPort;
use scenario::sidecar::Sidecar;
use scenario::small_mesh::SmallMesh;
use serde_json::Value;

/// The level and text of each finding.
fn findings(answer: &Value) -> Vec<(String, String)> {
    let findings = answer.as_array().expect("findings are a list").iter();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    findings.map(|finding| (text(finding, "level"), text(finding, "what"))).collect()
}

#[test]
fn a_healthy_mesh_has_nothing_wrong() {
    let mesh = SmallMesh::start("shop", 2);
    let rule = mesh.api().turn_off("shop", "GET /bytes/{id}", "1h");
    mesh.api().expect_applied(&rule, &mesh.names());

    let answer = mesh.sitio(&["check"]).success();

    for words in
        ["answers, in", "of our version", "clock agrees", "2 pods are reporting", "1 rule is in force", "nothing is wrong"]
    {
        assert!(answer.contains(words), "{words}: {answer}");
    }
    let json = mesh.sitio(&["check", "-o", "json"]).json();
    assert!(findings(&json).iter().all(|(level, _)| level == "fine"), "{json}");
}

#[test]
fn what_is_wrong_is_found_with_what_to_do_and_only_an_error_fails() {
    let mesh = SmallMesh::start("shop", 2);
    mesh.api().turn_off("shop", "GET /bytes/{id}", "5m");
    let answer = mesh.sitio(&["check"]);
    assert!(answer.out.contains("lapses in 5 min") && answer.out.contains("--ttl"), "{answer:?}");
    assert_eq!(answer.code, Some(0), "a warning is no error: {answer:?}");

    // The process runs but does not respond.
    mesh.pods[1].process.signal(Signal::STOP);
    let answer = eventually(SOON, || {
        let answer = mesh.sitio(&["check"]);
        ensure!(answer.code == Some(1), "{answer:?}");
        Ok(answer)
    });
    mesh.pods[1].process.signal(Signal::CONT);
    assert!(
        answer.out.contains("silent, 1 pod") && answer.out.contains("shop-1") && answer.out.contains("→ see whether"),
        "{answer:?}"
    );

    let nothing = ReservedPort::reserve();
    let broken = Sidecar::builder(nothing.port).named("broken", "broken-0").reports_to(mesh.control_plane.grpc_port).start();
    assert_eq!(broken.get("/x").status(), 502);
    let answer = eventually(SOON, || {
        let answer = mesh.sitio(&["check"]);
        ensure!(answer.out.contains("1 of the last 1 failure of broken"), "{answer:?}");
        Ok(answer)
    });
    assert!(answer.code == Some(1) && answer.out.contains("TARGET_PORT"), "{answer:?}");
    let answer = run(client_command(mesh.control_plane.grpc_port, &["check"]));
    assert!(answer.code == Some(1) && answer.out.contains("8091"), "the sidecars' port: {answer:?}");

    let answer = run(client_command(nothing.port, &["check"]));
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.out.contains("nothing answers") && answer.out.contains("SITIO_URL"), "{answer:?}");

    let alone = ControlPlane::start();
    let answer = run(client_command(alone.http_port, &["check"])).success();
    assert!(answer.contains("no pod is attached") && answer.contains("SITIO_CONTROL_PLANE"), "{answer}");
}

#[test]
fn a_store_that_was_lost_is_an_error() {
    let mut control_plane = ControlPlane::start();
    control_plane.process.kill();
    control_plane.lose_store();
    control_plane.restart();

    let answer = run(client_command(control_plane.http_port, &["check"]));

    assert!(answer.code == Some(1) && answer.out.contains("store was lost or replaced"), "{answer:?}");
}

/// Creates a fake browser in a folder, which only records the URL it should open.
fn browser(folder: &Path) {
    let path = folder.join("xdg-open");
    let script = format!("#!/bin/sh\necho \"$1\" > {}/opened\n", folder.display());
    fs::write(&path, script).expect("the folder is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
}

#[test]
fn the_dashboard_is_opened_if_it_is_there_and_its_url_is_printed() {
    let control_plane = ControlPlane::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    browser(folder.path());
    let url = format!("http://127.0.0.1:{}/", control_plane.http_port);
    let with_browser = |port, more: &[&str]| {
        let mut command = client_command(port, &[&["dashboard"], more].concat());
        command.env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()));
        run(command)
    };

    assert_eq!(with_browser(control_plane.http_port, &["--print"]).success(), format!("{url}\n"));
    assert!(!folder.path().join("opened").exists());
    assert_eq!(with_browser(control_plane.http_port, &[]).success(), format!("{url}\n"));
    assert_eq!(fs::read_to_string(folder.path().join("opened")).expect("it was opened"), format!("{url}\n"));
    let nothing = ReservedPort::reserve();
    let answer = with_browser(nothing.port, &[]);
    assert!(answer.code == Some(1) && answer.err.contains("nothing answers"), "{answer:?}");
}

fn sitio(arguments: &[&str]) -> String {
    let mut command = bare();
    command.args(arguments);
    run(command).success()
}

#[test]
fn bash_takes_the_completions_and_the_manual_is_shown_without_a_warning() {
    let script = sitio(&["completions", "bash"]);
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("there is bash");
    bash.stdin.take().expect("stdin is piped").write_all(script.as_bytes()).expect("bash reads it");
    assert!(bash.wait().expect("bash ends").success());
    assert!(
        ["zsh", "fish", "elvish", "powershell"].iter().all(|shell| sitio(&["completions", shell]).contains("SITIO_COMPLETE"))
    );

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("man1");
    sitio(&["man", "--dir", &path.to_string_lossy()]);
    let pages: Vec<_> = fs::read_dir(&path).expect("it was made").flatten().map(|entry| entry.path()).collect();
    assert!(pages.len() > 14 && pages.iter().all(|page| !page.to_string_lossy().contains("sitio-help")), "{pages:?}");
    for page in &pages {
        let shown = Command::new("man").args(["--warnings", "-l"]).arg(page).env("MANWIDTH", "100").output();
        let shown = shown.expect("man is installed by tests/install");
        assert!(shown.status.success() && shown.stderr.is_empty(), "{page:?}: {}", String::from_utf8_lossy(&shown.stderr));
        assert!(String::from_utf8_lossy(&shown.stdout).contains("SYNOPSIS"), "{page:?}");
    }
    assert!(sitio(&["man"]).contains(".SH SYNOPSIS"));
}

#[test]
fn every_command_helps_with_an_example() {
    let help = sitio(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut count = 0;
    for command in commands.filter_map(|line| line.split_whitespace().next()).filter(|command| *command != "help") {
        let help = sitio(&[command, "--help"]);
        assert!(help.contains("Example") || command == "demo", "{command} has no example:\n{help}");
        count += 1;
    }
    assert!(count >= 15, "{help}");
}

/// The completions of bash for the last word of a line, with the control plane on this port.
fn offered(http_port: u16, line: &str) -> Vec<String> {
    let program = scenario::process::program("sitio");
    let words: Vec<&str> = line.split(' ').collect();
    // As the shell does on Tab, and prints the candidates.
    let script = format!(
        "PATH=$SITIO_FOLDER:$PATH; source <(sitio completions bash); COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9; \
         _clap_complete_sitio sitio \"${{COMP_WORDS[-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1,
    );
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).env("SITIO_FOLDER", program.parent().expect("a program is in a folder"));
    bash.env("SITIO_URL", format!("http://127.0.0.1:{http_port}"));
    let output = bash.output().expect("there is bash");
    assert!(output.stderr.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).filter(|word| !word.is_empty()).collect()
}

#[test]
fn a_shell_completes_services_endpoints_rules_and_pods_and_is_quiet_without_a_control_plane() {
    let mesh = SmallMesh::start("shop", 2);
    assert_eq!(mesh.pods[0].get("/bytes/10").status(), 200);
    mesh.api().expect_hits("shop", 1);
    let rule = mesh.api().turn_off("shop", "GET /bytes/{id}", "1h");
    let port = mesh.control_plane.http_port;

    for (line, words) in [
        ("sitio disable sh", vec!["shop"]),
        ("sitio disable shop GET /b", vec!["/bytes/*", "/bytes/{id}"]),
        ("sitio disable shop GET /bytes/{id} --pods shop", vec!["shop-0", "shop-1"]),
        ("sitio enable r", vec![rule.as_str()]),
        ("sitio rules r", vec![rule.as_str()]),
        ("sitio stat s", vec!["shop"]),
    ] {
        // Completion does not wait for a slow control plane, so it is retried.
        eventually(SOON, || {
            let offered = offered(port, line);
            ensure!(offered == words, "{line}: {offered:?}");
            Ok(())
        });
    }
    assert!(offered(port, "sitio dis").contains(&"disable".to_owned()));

    drop(mesh);
    assert_eq!(offered(port, "sitio disable sh"), Vec::<String>::new());
}
