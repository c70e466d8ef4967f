//! Tests the start of the sidecar: late services, taken ports, and invalid configuration.

use std::net::TcpListener;
use std::process::Command;

use anyhow::ensure;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::process::Process;
use scenario::reserved_port::ReservedPort;
use scenario::sidecar::{Sidecar, bare};

#[test]
fn a_service_that_is_not_up_yet_is_no_error_of_the_sidecar() {
    let reserved = ReservedPort::reserve();
    let sidecar = Sidecar::in_front_of(reserved.port);
    let mut client = sidecar.connect();

    let early = client.get("/");
    assert_eq!(early.status(), 502);
    assert_eq!(early.header("x-sitio-error"), Some("upstream-connect"));
    client.send("POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(client.try_response("POST").map(|answer| answer.status()).ok(), Some(502), "an upload too");

    let _origin = Origin::start_on(reserved.port);

    eventually(SOON, || {
        let answer = sidecar.get("/now");
        ensure!(answer.status() == 200, "still {}", answer.status());
        Ok(())
    });
}

#[test]
fn readiness_is_that_of_the_service_and_liveness_is_its_own() {
    let reserved = ReservedPort::reserve();
    let sidecar = Sidecar::in_front_of(reserved.port);

    assert_eq!(sidecar.admin("/livez").status(), 200);
    assert_eq!(sidecar.admin("/readyz").status(), 503);

    let _origin = Origin::start_on(reserved.port);
    eventually(SOON, || {
        let status = sidecar.admin("/readyz").status();
        ensure!(status == 200, "still {status}");
        Ok(())
    });
    assert_eq!(sidecar.admin("/healthz").status(), 200);
}

/// Runs a command that should fail, and returns its exit code and its lines on stderr.
#[track_caller]
fn gives_up(command: Command) -> (Option<i32>, Vec<String>) {
    let mut process = Process::start(command);
    let status = process.ended(SOON);
    (status.code(), process.stderr())
}

#[test]
fn a_configuration_that_makes_no_sense_is_one_clear_line_and_exit_code_2() {
    for (variables, said) in [
        (vec![("PORT", "eighty")], "PORT"),
        (vec![("PORT", "65536")], "PORT"),
        (vec![("TARGET_PORT", "-1")], "TARGET_PORT"),
        (vec![("TARGET_PORT", "0")], "TARGET_PORT"),
        (vec![("PORT", "8087"), ("TARGET_PORT", "8087")], "8087"),
        (vec![("SITIO_ADMIN_PORT", "none")], "SITIO_ADMIN_PORT"),
        (vec![("SITIO_STATS_LOG", "often")], "SITIO_STATS_LOG"),
        (vec![("SITIO_WORKERS", "0")], "SITIO_WORKERS"),
        (vec![("SITIO_WORKERS", "many")], "SITIO_WORKERS"),
        (vec![("SITIO_CONTROL_PLANE", "not a url")], "SITIO_CONTROL_PLANE"),
        (vec![("SITIO_NOT_FOUND_PAGE", "/no/such/file.html")], "/no/such/file.html"),
        (vec![("SITIO_DRAIN_GRACE", "a while")], "SITIO_DRAIN_GRACE"),
        (vec![("RUST_LOG", "sidecar=loud")], "RUST_LOG"),
    ] {
        let mut command = bare();
        command.env("TARGET_PORT", "8087").envs(variables.iter().copied());

        let (code, stderr) = gives_up(command);

        assert_eq!(code, Some(2), "{variables:?}: {stderr:?}");
        let reporting: Vec<_> = stderr.iter().filter(|line| line.contains(said)).collect();
        assert_eq!(reporting.len(), 1, "{variables:?}: one line names {said}: {stderr:?}");
    }
}

#[test]
fn the_lowercase_variables_of_the_articles_are_understood() {
    let origin = Origin::start();
    let mut command = bare();
    command.env_remove("PORT").env("port", "0").env("target_port", origin.port().to_string());
    let mut process = Process::start(command);

    let line = process.line("what it listens for", |line| line.contains("listening for request in").then(|| line.to_owned()));

    assert!(line.ends_with(&format!("and targeting {}", origin.port())), "{line}");
}

#[test]
fn a_taken_port_is_named_and_ends_the_program_with_exit_code_1() {
    let taken = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    for variable in ["PORT", "SITIO_ADMIN_PORT"] {
        let mut command = bare();
        command.env("TARGET_PORT", "1").env(variable, &port);
        let (code, stderr) = gives_up(command);
        assert_eq!(code, Some(1), "{variable}: {stderr:?}");
        assert!(stderr.iter().any(|line| line.contains(&port)), "{variable}: {stderr:?}");
    }
}

#[test]
fn what_kubernetes_makes_of_service_names_is_only_warned_about() {
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port())
        .with("SITIO_PORT", "tcp://10.0.0.7:8090")
        .with("SITIO_TOKEN_FILE", "tcp://10.0.0.7:8091")
        .with("SITIO_SERVICE_HOST", "10.0.0.7")
        .with("SITIO_PORT_8090_TCP_PROTO", "tcp")
        .start();

    assert_eq!(sidecar.get("/").status(), 200);
    let warned = sidecar.process.stderr().join("\n");
    assert!(warned.contains("SITIO_PORT"), "{warned}");
}

#[test]
fn asked_to_leave_it_finishes_what_is_under_way_and_leaves() {
    let origin = Origin::start();
    let mut sidecar = Sidecar::in_front_of(origin.port());
    let mut client = sidecar.connect();
    client.send("GET /gate HTTP/1.1\r\nHost: shop\r\n\r\n");
    eventually(SOON, || {
        ensure!(origin.waiting() == 1, "the request has not arrived");
        Ok(())
    });

    sidecar.process.signal(rustix::process::Signal::TERM);
    eventually(SOON, || {
        let status = sidecar.admin("/readyz").status();
        ensure!(status == 503, "still {status}");
        Ok(())
    });
    origin.open_gate();

    assert_eq!(client.response("GET").text(), "GET /gate");
    drop(client);
    assert_eq!(sidecar.process.ended(SOON).code(), Some(0));
}
