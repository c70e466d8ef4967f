//! Tests `sitio` over TLS through a terminator, and its errors for untrusted certificates and protocol mismatches.

mod terminator;

use std::fs;
use std::process::Command;

use anyhow::ensure;
use rustix::process::Signal;
use scenario::cli::{bare, client_command, run};
use scenario::control_plane::{self, ControlPlane};
use scenario::eventually::{SOON, eventually};
use scenario::flaky_service::scripted;
use scenario::process::Process;
use scenario::small_mesh::SmallMesh;

use crate::tls::terminator::{Authority, SelfSigned, Valid};

const TOKEN: &str = "a-token-of-a-decent-length-for-this-test";

/// The command against this URL.
fn at(url: &str, arguments: &[&str]) -> Command {
    let mut command = bare();
    command.env("SITIO_URL", url).args(arguments);
    command
}

/// The error of a command that fails with one line.
#[track_caller]
fn refusal(command: Command) -> String {
    let words = run(command).failed(1);
    assert_eq!(words.lines().count(), 1, "{words}");
    words
}

#[test]
fn a_control_plane_behind_a_terminator_is_asked_commanded_and_tapped() {
    let mesh = SmallMesh::start("shop", 1);
    let authority = Authority::new();
    let port = authority.terminates("localhost", Valid::Now, mesh.control_plane.http_port);
    let url = format!("https://localhost:{port}");
    let file = authority.file();
    let file = file.to_str().unwrap();
    assert_eq!(mesh.pods[0].get("/bytes/10").status(), 200);
    mesh.api().expect_hits("shop", 1);

    let output = run(at(&url, &["stat", "--ca-file", file]));
    assert_eq!(output.err, "");
    assert!(output.success().contains("/bytes/{id}"));
    let mut by_variable = at(&url, &["disable", "/bytes/{id}", "--reason", "a scenario asks for it", "--wait"]);
    by_variable.env("SITIO_CA_FILE", file);
    assert!(run(by_variable).success().contains("is off on 1 pod"));

    // As with a certificate that the whole machine trusts.
    let mut tap = at(&url, &["tap", "shop"]);
    tap.env("SSL_CERT_FILE", file);
    let mut tap = Process::start(tap);
    eventually(SOON, || {
        assert_eq!(mesh.pods[0].get("/status/204").status(), 204);
        ensure!(!tap.stdout().is_empty(), "nothing is shown yet: {:?}", tap.stderr());
        Ok(())
    });
    tap.signal(Signal::INT);
    assert_eq!(tap.ended(SOON).code(), Some(0), "{:?}", tap.stderr());
}

#[test]
fn who_shows_a_certificate_that_is_not_believed_is_not_asked() {
    let control_plane = ControlPlane::start();
    let authority = Authority::new();
    let starts = |name, valid| authority.terminates(name, valid, control_plane.http_port);
    let (good, other, old) =
        (starts("localhost", Valid::Now), starts("mesh.example", Valid::Now), starts("localhost", Valid::Once));
    let file = authority.file();
    let believing = |port: u16| at(&format!("https://localhost:{port}"), &["pods", "--ca-file", file.to_str().unwrap()]);

    assert!(run(believing(good)).success().contains("no pods found"));
    let unknown = refusal(at(&format!("https://localhost:{good}"), &["pods"]));
    assert!(unknown.contains("signed by an authority") && unknown.contains("--ca-file"), "{unknown}");
    let name = refusal(believing(other));
    assert!(name.contains("is for mesh.example; use the name"), "{name}");
    let expired = refusal(believing(old));
    assert!(expired.contains("has expired; renew it"), "{expired}");

    let stranger = Authority::new();
    let by_stranger = at(&format!("https://localhost:{good}"), &["pods", "--ca-file", stranger.file().to_str().unwrap()]);
    let by_stranger = refusal(by_stranger);
    assert!(by_stranger.contains("signed by an authority"), "{by_stranger}");
    let key = authority.folder().join("key.pem");
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    let none = refusal(at(&format!("https://localhost:{good}"), &["pods", "--ca-file", key.to_str().unwrap()]));
    assert!(none.contains("no certificate is in it"), "{none}");
}

#[test]
fn a_self_signed_certificate_that_is_named_is_believed_also_as_an_authority_s() {
    let control_plane = ControlPlane::start();
    let authority = SelfSigned::new("localhost", &[]);
    let server = SelfSigned::new("localhost", &["-addext", "basicConstraints=critical,CA:FALSE"]);
    let elsewhere = SelfSigned::new("mesh.example", &[]);
    let trusting = |shown: &SelfSigned, believed: Option<&SelfSigned>| {
        let mut command = at(&format!("https://localhost:{}", shown.terminates(control_plane.http_port)), &["pods"]);
        if let Some(believed) = believed {
            command.arg("--ca-file").arg(believed.file());
        }
        command
    };

    for certificate in [&authority, &server] {
        assert!(run(trusting(certificate, Some(certificate))).success().contains("no pods found"));
    }
    let name = refusal(trusting(&elsewhere, Some(&elsewhere)));
    assert!(name.contains("is for mesh.example; use the name"), "{name}");
    let another = refusal(trusting(&authority, Some(&elsewhere)));
    assert!(another.contains("CA:TRUE") && another.contains("--ca-file") && another.contains("CA:FALSE"), "{another}");
    let unnamed = refusal(trusting(&authority, None));
    assert!(unnamed.contains("--ca-file"), "{unnamed}");
    for words in [another, unnamed] {
        assert!(!words.contains("Other(") && !words.contains("CaUsedAsEndEntity"), "no name of a program's part: {words}");
    }
}

#[test]
fn tls_and_plain_text_on_the_wrong_port_are_explained() {
    let control_plane = ControlPlane::start();
    let port = Authority::new().terminates("localhost", Valid::Now, control_plane.http_port);

    let plain = refusal(client_command(port, &["pods"]));
    assert!(plain.contains("does not answer in HTTP") && plain.contains("say https://"), "{plain}");
    let page =
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<center>The plain HTTP request was sent to HTTPS port</center>";
    let nginx = refusal(client_command(scripted(page), &["pods"]));
    assert!(nginx.contains("speaks TLS; say https://"), "{nginx}");
    let tls = refusal(at(&format!("https://localhost:{}", control_plane.http_port), &["pods"]));
    assert!(tls.contains("does not speak TLS; say http://"), "{tls}");

    for scheme in ["http", "https"] {
        let stream = refusal(at(&format!("{scheme}://localhost:{}", control_plane.grpc_port), &["pods"]));
        assert!(stream.contains(if scheme == "http" { "8091" } else { "http://" }), "{scheme}: {stream}");
    }
}

#[test]
fn what_stands_before_the_control_plane_is_not_taken_for_it() {
    let moved = "HTTP/1.1 302 Found\r\nLocation: https://mesh.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let moved = refusal(client_command(scripted(moved), &["pods"]));
    assert!(moved.contains("sends us to https://mesh.example/; if that is the control plane"), "{moved}");
    let away = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n<h1>Application is not available</h1>";
    let away = refusal(client_command(scripted(away), &["pods"]));
    assert!(away.contains("does not reach the control plane, it says 503"), "{away}");
}

#[test]
fn a_token_over_plain_http_causes_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = control_plane::bare();
    command.env("SITIO_TOKEN", TOKEN).env("SITIO_DATA_DIR", folder.path());
    let mut process = Process::start(command);
    let (http_port, _) = control_plane::ports(&mut process);
    let mut here = client_command(http_port, &["pods"]);
    here.env("SITIO_TOKEN", TOKEN);
    assert_eq!(run(here).err, "");

    // A proxy makes a real host of that name unnecessary.
    let answer = r#"{"taken_at":"2025-11-20T14:07:41.500Z","revision":0,"pods":[]}"#;
    let proxy = scripted(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()));
    let there = |token: Option<&str>| {
        let mut command = at("http://mesh.example", &["pods", "-o", "json"]);
        command.env("http_proxy", format!("http://127.0.0.1:{proxy}"));
        command.envs(token.map(|token| ("SITIO_TOKEN", token)));
        run(command)
    };
    let output = there(Some(TOKEN));
    assert!(output.err.contains("goes to mesh.example over plain http") && !output.err.contains(TOKEN), "{output:?}");
    assert!(output.json()["pods"].is_array());
    assert_eq!(there(None).err, "");
}
