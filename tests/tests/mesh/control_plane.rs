//! Tests the control plane as a program: settings, ports, data folder, shutdown, and its own API and metrics.

use std::net::TcpListener;

use anyhow::ensure;
use rustix::process::Signal;
use scenario::client::Client;
use scenario::control_plane::{ControlPlane, bare};
use scenario::eventually::{SOON, eventually};
use scenario::process::Process;
use scenario::small_mesh::SmallMesh;

#[test]
fn settings_that_make_no_sense_are_one_clear_line_and_exit_code_2() {
    for (variable, value) in [
        ("SITIO_HTTP_ADDR", "nowhere"),
        ("SITIO_HTTP_ADDR", "127.0.0.1"),
        ("SITIO_GRPC_ADDR", "127.0.0.1:99999"),
        ("SITIO_TOKEN_FILE", "/no/such/file"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let mut command = bare();
        command.env("SITIO_DATA_DIR", data.path()).env(variable, value);
        let mut process = Process::start(command);
        let status = process.ended(SOON);
        let stderr = process.stderr();

        assert_eq!(status.code(), Some(2), "{variable}={value}: {stderr:?}");
        assert_eq!(stderr.iter().filter(|line| line.contains(variable)).count(), 1, "{variable}={value}: {stderr:?}");
    }
}

#[test]
fn a_taken_port_is_named_and_ends_it_with_exit_code_1() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();

    for variable in ["SITIO_HTTP_ADDR", "SITIO_GRPC_ADDR"] {
        let data = tempfile::tempdir().unwrap();
        let mut command = bare();
        command.env("SITIO_DATA_DIR", data.path()).env(variable, &address);
        let mut process = Process::start(command);
        let status = process.ended(SOON);
        let stderr = process.stderr().join("\n");

        assert_eq!(status.code(), Some(1), "{variable}: {stderr}");
        assert!(stderr.contains(&address) && stderr.contains(variable), "{stderr}");
    }
}

#[test]
fn two_of_them_never_share_a_folder() {
    let data = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = bare();
        command.env("SITIO_DATA_DIR", data.path());
        Process::start(command)
    };
    let mut first = start();
    scenario::control_plane::ports(&mut first);

    let mut second = start();
    let status = second.ended(SOON);

    assert_eq!(status.code(), Some(1), "{:?}", second.stderr());
    assert!(second.stderr().join("\n").contains(&*data.path().to_string_lossy()), "{:?}", second.stderr());
}

#[test]
fn its_log_shows_invisible_letters_as_escapes() {
    let parent = tempfile::tempdir().unwrap();
    let mut command = bare();
    // Off loopback it makes a certificate, and logs where.
    command.env("SITIO_GRPC_ADDR", "0.0.0.0:0").env("SITIO_TOKEN", "a-token-of-a-decent-length");
    command.env("SITIO_DATA_DIR", parent.path().join("exe\u{202e}gnp"));
    let mut process = Process::start(command);
    process.line("its folder", |line| line.contains("exe\\u{202e}gnp").then_some(()));
    assert!(!process.stderr().concat().contains('\u{202e}'), "{:?}", process.stderr());
}

#[test]
fn it_drains_in_order_though_sidecars_and_pages_are_attached() {
    let mut mesh = SmallMesh::start("shop", 2);
    let mut page = events(&mesh.control_plane);
    assert!(String::from_utf8_lossy(&page.exactly(5)).starts_with("HTTP/"));

    mesh.control_plane.process.signal(Signal::TERM);
    let status = mesh.control_plane.process.ended(SOON);

    assert_eq!(status.code(), Some(0), "{:?}", mesh.control_plane.process.stderr());
    assert_eq!(mesh.pods[0].get("/still").status(), 200);
    mesh.control_plane.restart();
    mesh.api().expect_pods(&mesh.names());
    mesh.api().expect_hits("shop", 1);
}

#[test]
fn events_carry_finished_values_as_they_change() {
    let mesh = SmallMesh::start("shop", 1);
    let mut page = events(&mesh.control_plane);
    let head = page.head();
    assert_eq!(head.status(), 200);
    assert!(head.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")), "{head:?}");
    assert_eq!(head.header("x-accel-buffering"), Some("no"));

    mesh.pods[0].get("/just-now");

    let mut output = String::new();
    eventually(SOON, || {
        output.push_str(&String::from_utf8_lossy(&page.some()));
        ensure!(output.contains("/just-now"), "nothing of it in {output}");
        Ok(())
    });
    assert!(!output.contains('<'), "no markup travels: {output}");
}

#[test]
fn it_describes_and_measures_itself() {
    let mesh = SmallMesh::start("shop", 1);
    mesh.pods[0].get("/seen");
    mesh.api().expect_hits("shop", 1);

    let description = mesh.api().json("/api/v1/openapi.json").unwrap();
    for path in ["/api/v1/endpoints", "/api/v1/pods", "/api/v1/rules", "/api/v1/rules/{id}", "/api/v1/audit"] {
        assert!(!description["paths"][path].is_null(), "{path} is not described");
    }
    let metrics = mesh.api().page("/metrics").unwrap();
    for line in [
        "sitio_pods{state=\"reporting\"} 1",
        "http_server_request_body_size_bytes_count{service_namespace=\"default\",service_name=\"shop\",\
         http_request_method=\"GET\",http_route=\"/seen\"} 1",
        "sitio_streams_open 1",
    ] {
        assert!(metrics.lines().any(|output| output == line), "{line} is missing in {metrics}");
    }
    assert!(mesh.api().page("/livez").is_ok() && mesh.api().page("/readyz").is_ok());
}

/// Requests the event stream of the overview, as a page does.
fn events(control_plane: &ControlPlane) -> Client {
    let port = control_plane.http_port;
    let mut page = Client::connect(port);
    page.send(format!("GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n"));
    page
}
