//! Tests of TLS between sidecars and the control plane: certificates, plaintext, and what a refused sidecar logs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use scenario::client::Client;
use scenario::control_plane::{bare, ports};
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::process::{Process, program};
use scenario::sidecar::{Sidecar, SidecarBuilder};
use scenario::vanishing_host::VanishingHost;
use tempfile::TempDir;

const TOKEN: &str = "a-token-of-a-decent-length-for-this-test";

/// A control plane that other machines can reach.
struct OpenControlPlane {
    process: Process,
    http_port: u16,
    grpc_port: u16,
    data: TempDir,
}

impl OpenControlPlane {
    fn start(settings: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut command = bare();
        command.env("SITIO_GRPC_ADDR", "0.0.0.0:0").env("SITIO_TOKEN", TOKEN).env("SITIO_DATA_DIR", data.path());
        command.envs(settings.iter().copied());
        let mut process = Process::start(command);
        let (http_port, grpc_port) = ports(&mut process);
        Self { process, http_port, grpc_port, data }
    }

    /// The CA that it has made.
    fn ca(&self) -> PathBuf {
        self.data.path().join("ca.crt")
    }

    /// A sidecar that connects to it under this name.
    fn sidecar(&self, origin: &Origin, pod: &str, host: &str) -> SidecarBuilder {
        let url = format!("https://{host}:{}", self.grpc_port);
        Sidecar::builder(origin.port()).named("shop", pod).with("SITIO_TOKEN", TOKEN).with("SITIO_CONTROL_PLANE", &url)
    }

    fn pods(&self) -> String {
        let mut client = Client::connect(self.http_port);
        let host = format!("Host: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}");
        client.send(format!("GET /api/v1/pods HTTP/1.1\r\n{host}\r\n\r\n"));
        client.response("GET").text()
    }

    #[track_caller]
    fn expect_pod(&self, pod: &str) {
        eventually(SOON, || {
            let pods = self.pods();
            ensure!(pods.contains(&format!("\"{pod}\"")), "{pod} is not attached: {pods}; {}", self.process.stderr().join("\n"));
            Ok(())
        });
    }
}

#[track_caller]
fn expect_line(process: &Process, words: &str) {
    eventually(SOON, || {
        let said = process.stderr().join("\n");
        ensure!(said.contains(words), "no line has {words:?}:\n{said}");
        Ok(())
    });
}

#[test]
fn a_sidecar_verifies_the_control_plane_by_its_own_ca() {
    let (control_plane, origin) = (OpenControlPlane::start(&[]), Origin::start());
    let ca = control_plane.ca();
    let by_file = control_plane.sidecar(&origin, "by-file", "localhost").with("SITIO_CA_FILE", ca.to_str().unwrap()).start();
    let pem = std::fs::read_to_string(&ca).unwrap();
    let by_text = control_plane.sidecar(&origin, "by-text", "127.0.0.1").with("SITIO_CA", &pem).start();
    control_plane.expect_pod("by-file");
    control_plane.expect_pod("by-text");
    drop((by_file, by_text));

    let stranger = control_plane.sidecar(&origin, "no-ca", "localhost").start();
    expect_line(&stranger.process, "its certificate is of an unknown CA: set SITIO_CA_FILE to the CA that signed it");
    let elsewhere = control_plane.sidecar(&origin, "wrong-name", "127.0.0.2").with("SITIO_CA", &pem).start();
    expect_line(&elsewhere.process, "its certificate is for other names: use one of them in the URL");
    assert_eq!(stranger.get("/").status(), 200, "traffic does not depend on it");
    let pods = control_plane.pods();
    assert!(!pods.contains("\"no-ca\"") && !pods.contains("\"wrong-name\""), "{pods}");
}

#[test]
fn without_tls_only_this_machine_is_admitted() {
    let host = VanishingHost::connect();
    let origin = Origin::start();
    let plain = |control_plane: &OpenControlPlane, pod: &str| {
        let mut command = host.command(program("sitio-sidecar").to_str().unwrap());
        command.env("SITIO_CONTROL_PLANE", format!("http://{}:{}", host.here, control_plane.grpc_port));
        command.env("SITIO_ALLOW_PLAINTEXT", "true").env("SITIO_TOKEN", TOKEN).env("POD_NAME", pod).env("NO_COLOR", "1");
        command.env("PORT", "0").env("SITIO_ADMIN_PORT", "0").env("SITIO_DRAIN_GRACE", "50ms").env("SITIO_SERVICE", "shop");
        Process::start(command)
    };

    let strict = OpenControlPlane::start(&[]);
    let refused = plain(&strict, "plain");
    expect_line(&refused, "this control plane accepts TLS only: set SITIO_CONTROL_PLANE to https://");
    let here = format!("http://127.0.0.1:{}", strict.grpc_port);
    let local = strict.sidecar(&origin, "local", "localhost").with("SITIO_CONTROL_PLANE", &here).start();
    strict.expect_pod("local");
    assert!(!strict.pods().contains("\"plain\""), "{}", strict.pods());
    drop((refused, local));

    let lenient = OpenControlPlane::start(&[("SITIO_ALLOW_PLAINTEXT", "true")]);
    let admitted = plain(&lenient, "plain");
    lenient.expect_pod("plain");
    drop(admitted);
}

#[test]
fn a_sidecar_refuses_to_start_with_a_plaintext_address_of_another_machine() {
    let mut command = Command::new(program("sitio-sidecar"));
    command.env_clear().env("PORT", "0").env("SITIO_ADMIN_PORT", "0").env("SITIO_CONTROL_PLANE", "http://sitio-grpc:8091");
    let mut process = Process::start(command);
    assert_eq!(process.ended(SOON).code(), Some(2), "{:?}", process.stderr());
    let said = process.stderr().join("\n");
    assert!(said.contains("SITIO_CONTROL_PLANE") && said.contains("use https://, or set SITIO_ALLOW_PLAINTEXT=true"), "{said}");
}

#[test]
fn a_control_plane_may_ask_sidecars_for_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["shop".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let (clients, own) = (file("clients.pem", &issuer.pem()), file("own.pem", &certificate.pem()));
    let own_key = file("own-key.pem", &key.serialize_pem());

    let (control_plane, origin) = (OpenControlPlane::start(&[("SITIO_CLIENT_CA_FILE", &clients)]), Origin::start());
    let ca = control_plane.ca();
    let sidecar = |pod: &str| control_plane.sidecar(&origin, pod, "localhost").with("SITIO_CA_FILE", ca.to_str().unwrap());
    let known = sidecar("known").with("SITIO_CLIENT_CERT_FILE", &own).with("SITIO_CLIENT_KEY_FILE", &own_key).start();
    let unknown = sidecar("unknown").start();
    control_plane.expect_pod("known");
    expect_line(&unknown.process, "set SITIO_CLIENT_CERT_FILE and SITIO_CLIENT_KEY_FILE");
    assert!(!control_plane.pods().contains("\"unknown\""));
    drop(known);
}

#[test]
fn half_handshakes_are_closed_and_hinder_no_one() {
    let (control_plane, origin) = (OpenControlPlane::start(&[]), Origin::start());
    let open = |first: &[u8]| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, control_plane.grpc_port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(first).unwrap();
        stream
    };
    // The beginning of a ClientHello; a record that is longer than allowed; nothing; something else.
    let begun: [&[u8]; 4] = [b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\xff\xff\x01\x00", b"", b"\x16GET / HTTP/1.1\r\n\r\n"];
    let hanging: Vec<TcpStream> = (0..200).map(|at| open(begun[at % begun.len()])).collect();

    let ca = control_plane.ca();
    let sidecar = control_plane.sidecar(&origin, "shop-0", "localhost").with("SITIO_CA_FILE", ca.to_str().unwrap()).start();
    control_plane.expect_pod("shop-0");
    for mut stream in hanging {
        // An alert may come first, and the end may be a reset.
        let _ = stream.read_to_end(&mut Vec::new()).inspect_err(|why| {
            assert_eq!(why.kind(), std::io::ErrorKind::ConnectionReset, "the connection is open after {SOON:?}");
        });
    }
    drop(sidecar);
}
