//! Tests `sitio run`: the program's traffic passes a sidecar, and its exit code is returned.

use std::net::TcpListener;
use std::process::Command;

use anyhow::ensure;
use rustix::process::Signal;
use scenario::api::Api;
use scenario::client::Client;
use scenario::control_plane::ControlPlane;
use scenario::demo::port;
use scenario::eventually::{SOON, eventually};
use scenario::process::{Process, program};
use scenario::reserved_port::ReservedPort;

fn sitio_run(arguments: &[&str], decorated: &[&str]) -> Command {
    let mut command = Command::new(program("sitio"));
    command.env("NO_COLOR", "1").arg("run").args(arguments).arg("--").args(decorated);
    command
}

/// One port for the program, and one for its sidecar.
fn two_ports() -> ([ReservedPort; 2], [String; 2]) {
    let reserved = [ReservedPort::reserve(), ReservedPort::reserve()];
    let numbers = reserved.each_ref().map(|reserved| reserved.port.to_string());
    (reserved, numbers)
}

#[test]
fn any_command_is_decorated_and_shown() {
    let control_plane = ControlPlane::start();
    let (_reserved, [target, entrance]) = two_ports();
    let url = format!("http://127.0.0.1:{}", control_plane.grpc_port);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hello.txt"), "from python").unwrap();
    let served = folder.path().to_string_lossy().into_owned();

    let mut run = Process::start(sitio_run(
        &["--port", &entrance, "--target", &target, "--control-plane", &url, "--name", "web"],
        &["python3", "-m", "http.server", &target, "--bind", "127.0.0.1", "--directory", &served],
    ));
    let entrance = entrance.parse().unwrap();
    let answer = eventually(SOON, || Ok(Client::try_connect(entrance)?.get("/hello.txt")));

    assert_eq!((answer.status(), answer.text().as_str()), (200, "from python"));
    eventually(SOON, || {
        let hits = control_plane.api().hits("web")?;
        ensure!(hits >= 1, "{hits} hits");
        Ok(())
    });
    run.signal(Signal::INT);
    run.ended(SOON);
    assert!(TcpListener::bind(("127.0.0.1", target.parse().unwrap())).is_ok(), "the command ended with it");
}

#[test]
fn without_a_control_plane_it_brings_its_own_on_ports_that_are_free() {
    let target = ReservedPort::reserve();
    let number = target.port.to_string();
    let mut run = Process::start(sitio_run(
        &["--port", "0", "--target", &number, "--http-port", "0", "--grpc-port", "0", "--name", "web"],
        &["python3", "-m", "http.server", &number, "--bind", "127.0.0.1"],
    ));
    let entrance = run.line("where it takes requests", |line| port(line.split("web is on").nth(1)?));
    let dashboard = run.line("where its dashboard is", |line| port(line.split("dashboard").nth(1)?));

    assert_eq!(Client::connect(entrance).get("/").status(), 200);
    let page = eventually(SOON, || Api::at(dashboard).page("/"));
    assert!(page.contains("Mesh overview"), "{page}");
}

#[test]
fn the_commands_exit_code_is_passed_on() {
    for code in [0, 3, 77] {
        let (_reserved, [target, entrance]) = two_ports();
        let script = format!("exit {code}");
        let arguments = ["--port", &entrance, "--target", &target, "--http-port", "0", "--grpc-port", "0"];
        let mut run = Process::start(sitio_run(&arguments, &["sh", "-c", &script]));
        assert_eq!(run.ended(SOON).code(), Some(code), "{:?}", run.stderr());
    }
}

#[test]
fn a_command_that_does_not_exist_is_named() {
    let (_reserved, [target, entrance]) = two_ports();
    let arguments = ["--port", &entrance, "--target", &target, "--http-port", "0", "--grpc-port", "0"];
    let mut run = Process::start(sitio_run(&arguments, &["no-such-command-anywhere"]));

    assert_ne!(run.ended(SOON).code(), Some(0));
    assert!(run.stderr().join("\n").contains("no-such-command-anywhere"), "{:?}", run.stderr());
}

#[test]
fn a_token_on_the_command_line_is_refused_and_not_shown() {
    let (_reserved, [target, entrance]) = two_ports();
    let arguments = ["--port", &entrance, "--target", &target, "--token", "s3cret-of-a-test"];
    let mut run = Process::start(sitio_run(&arguments, &["sh", "-c", "echo it ran"]));

    assert_eq!(run.ended(SOON).code(), Some(2), "{:?}", run.stderr());
    let lines = run.stderr();
    assert!(lines.len() == 1 && lines[0].contains("--token-file") && lines[0].contains("SITIO_TOKEN"), "{lines:?}");
    assert!(!lines[0].contains("s3cret") && run.stdout().is_empty(), "{lines:?}, {:?}", run.stdout());
}
