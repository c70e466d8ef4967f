//! Tests access control of the control plane: loopback is open, any other address needs a token.

use anyhow::ensure;
use scenario::client::{Client, Response};
use scenario::control_plane::{ControlPlane, bare, ports};
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::process::Process;
use scenario::sidecar::Sidecar;

const TOKEN: &str = "a-token-of-a-decent-length-for-this-test";

fn get(port: u16, target: &str, fields: &str) -> Response {
    let mut client = Client::connect(port);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{fields}\r\n"));
    client.response("GET")
}

#[test]
fn off_loopback_it_does_not_start_without_a_token() {
    for variable in ["SITIO_HTTP_ADDR", "SITIO_GRPC_ADDR"] {
        let data = tempfile::tempdir().unwrap();
        let mut command = bare();
        command.env(variable, "0.0.0.0:0").env("SITIO_DATA_DIR", data.path());
        let mut process = Process::start(command);

        let status = process.ended(SOON);

        assert_eq!(status.code(), Some(2), "{variable}: {:?}", process.stderr());
        assert!(process.stderr().join("\n").contains("SITIO_TOKEN"), "{:?}", process.stderr());
    }
}

#[test]
fn off_loopback_the_token_opens_and_nothing_else_does() {
    let data = tempfile::tempdir().unwrap();
    let mut command = bare();
    command.env("SITIO_HTTP_ADDR", "0.0.0.0:0").env("SITIO_TOKEN", TOKEN).env("SITIO_DATA_DIR", data.path());
    let mut process = Process::start(command);
    let (port, _) = ports(&mut process);

    for target in ["/", "/api/v1/endpoints", "/api/v1/rules", "/events", "/audit"] {
        assert_eq!(get(port, target, "").status(), 401, "{target}");
        assert_eq!(get(port, target, "Authorization: Bearer wrong\r\n").status(), 401, "{target}");
    }
    let with_token = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(get(port, "/api/v1/endpoints", &with_token).status(), 200);
    assert_eq!(get(port, "/livez", "").status(), 200, "the probes of Kubernetes bring no token");
    assert_eq!(get(port, "/readyz", "").status(), 200);
}

#[test]
fn a_sidecar_attaches_only_with_the_token() {
    let data = tempfile::tempdir().unwrap();
    let mut command = bare();
    command.env("SITIO_GRPC_ADDR", "0.0.0.0:0").env("SITIO_TOKEN", TOKEN).env("SITIO_DATA_DIR", data.path());
    let mut process = Process::start(command);
    let (port, grpc_port) = ports(&mut process);
    let origin = Origin::start();
    let plan = |pod| Sidecar::builder(origin.port()).named("shop", pod).reports_to(grpc_port);

    let without = plan("without").start();
    let wrong = plan("wrong").with("SITIO_TOKEN", "a-token-that-was-guessed").start();
    let right = plan("right").with("SITIO_TOKEN", TOKEN).start();
    for pod in [&without, &wrong, &right] {
        assert_eq!(pod.get("/").status(), 200, "traffic does not depend on it");
    }

    let pods = eventually(SOON, || {
        let pods = get(port, "/api/v1/pods", &format!("Authorization: Bearer {TOKEN}\r\n")).text();
        ensure!(pods.contains("\"right\""), "{pods}");
        Ok(pods)
    });
    assert!(!pods.contains("\"wrong\"") && !pods.contains("\"without\""), "{pods}");
    for pod in [without, wrong] {
        eventually(SOON, || {
            let said = pod.process.stderr().join("\n");
            ensure!(said.to_lowercase().contains("token") || said.to_lowercase().contains("unauthenticated"), "{said}");
            ensure!(!said.contains("was-guessed"), "the token itself is shown: {said}");
            Ok(())
        });
    }
}

#[test]
fn a_page_of_another_site_cannot_give_orders() {
    let control_plane = ControlPlane::start();
    let port = control_plane.http_port;
    let order =
        r#"{"service":"x","method":"GET","route":"/x","action":{"disable":{"status":503}},"ttl":"1h","reason":"an attack"}"#;

    for fields in [
        format!("Host: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\nContent-Type: application/json\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site\r\nContent-Type: application/json\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nOrigin: null\r\nContent-Type: application/json\r\n"),
        // A form can be sent across sites without a preflight; JSON with a form's content type must not be accepted.
        format!("Host: 127.0.0.1:{port}\r\nContent-Type: text/plain\r\n"),
        // A DNS name that an attacker has pointed at this machine (DNS rebinding).
        format!("Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\nContent-Type: application/json\r\n"),
    ] {
        let mut client = Client::connect(port);
        client.send(format!("POST /api/v1/rules HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n{order}", order.len()));
        let status = client.response("POST").status();
        assert!((400..500).contains(&status), "{status} to {fields}");
    }
    let rules = control_plane.api().json("/api/v1/rules").unwrap().to_string();
    assert!(!rules.contains("an attack"), "{rules}");
}

#[test]
fn pages_carry_a_policy_that_allows_no_inline_script() {
    let control_plane = ControlPlane::start();

    let page = get(control_plane.http_port, "/", "");

    let policy = page.header("content-security-policy").expect("a policy");
    for part in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "trusted-types sitio-stream"]
    {
        assert!(policy.contains(part), "{part} is missing in {policy}");
    }
    assert!(!page.text().contains("<script>") && !page.text().contains(" style=") && !page.text().contains(" onclick="));
}
