//! Tests that `sitio` uses a real proxy according to `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.

use std::fs;
use std::process::Command;

use anyhow::ensure;
use scenario::cli::{bare, run};
use scenario::control_plane;
use scenario::eventually::{SOON, eventually};
use scenario::process::Process;
use scenario::reserved_port::ReservedPort;
use tempfile::TempDir;

/// A local address that programs do not treat as local, so that requests to it use proxies.
const THIS_MACHINE: &str = "0.0.0.0";

/// Required because without a token, a control plane accepts only loopback addresses.
const TOKEN: &str = "a-token-of-a-decent-length-for-this-test";

/// A control plane with a token, and its port.
fn control_plane(folder: &TempDir) -> (Process, u16) {
    let mut command = control_plane::bare();
    command.env("SITIO_TOKEN", TOKEN).env("SITIO_DATA_DIR", folder.path());
    let mut process = Process::start(command);
    let (http_port, _) = control_plane::ports(&mut process);
    (process, http_port)
}

/// A running tinyproxy.
struct Proxy {
    process: Process,
    reserved: ReservedPort,
    _folder: TempDir,
}

impl Proxy {
    fn start() -> Self {
        let (reserved, folder) = (ReservedPort::reserve(), tempfile::tempdir().unwrap());
        let file = folder.path().join("tinyproxy.conf");
        let settings = format!("Port {}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nLogLevel Info\n", reserved.port);
        fs::write(&file, settings).unwrap();
        assert!(
            Command::new("tinyproxy").arg("-v").output().is_ok(),
            "tinyproxy is missing: on Debian, `apt-get install tinyproxy`, or run `make test`"
        );
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(&file);
        let mut process = Process::start(command);
        process.line("that it accepts", |line| line.contains("Accepting connections").then_some(()));
        Self { process, reserved, _folder: folder }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.reserved.port)
    }

    /// Waits until the proxy has logged this request.
    #[track_caller]
    fn expect_asked(&self, request: &str) {
        eventually(SOON, || {
            let lines = [self.process.stdout(), self.process.stderr()].concat();
            ensure!(lines.iter().any(|line| line.contains(request)), "{lines:?}");
            Ok(())
        });
    }
}

/// The command that lists the pods of the control plane at this URL.
fn pods(url: &str) -> Command {
    let mut command = bare();
    command.env("SITIO_URL", url).env("SITIO_TOKEN", TOKEN).arg("pods");
    command
}

#[test]
fn a_proxy_leads_to_the_control_plane() {
    let folder = tempfile::tempdir().unwrap();
    let ((_control_plane, http_port), proxy) = (control_plane(&folder), Proxy::start());

    let mut plain = pods(&format!("http://{THIS_MACHINE}:{http_port}"));
    plain.env("HTTP_PROXY", proxy.url());
    assert!(run(plain).success().contains("no pods found"));
    proxy.expect_asked(&format!("GET http://{THIS_MACHINE}:{http_port}/api/v1/pods"));

    // TLS passes through the proxy; the error that this port does not speak TLS proves that it was reached.
    let mut secret = pods(&format!("https://{THIS_MACHINE}:{http_port}"));
    secret.env("HTTPS_PROXY", proxy.url());
    let secret = run(secret).failed(1);
    assert!(secret.contains("does not speak TLS"), "{secret}");
    proxy.expect_asked(&format!("CONNECT {THIS_MACHINE}:{http_port}"));
}

#[test]
fn what_needs_no_proxy_goes_without_and_what_needs_one_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let ((_control_plane, http_port), unknown) = (control_plane(&folder), ReservedPort::reserve());
    let proxy = format!("http://me:password@127.0.0.1:{}", unknown.port);
    let asking = |host: &str, none: &str| {
        let mut command = pods(&format!("http://{host}:{http_port}"));
        command.env("HTTP_PROXY", &proxy).env("ALL_PROXY", &proxy).env("NO_PROXY", none);
        run(command)
    };

    for (host, none) in [("127.0.0.1", ""), ("localhost", ""), (THIS_MACHINE, THIS_MACHINE), (THIS_MACHINE, "0.0.0.0/8")] {
        assert!(asking(host, none).success().contains("no pods found"), "{host}, {none}");
    }
    let answer = asking(THIS_MACHINE, "mesh.example").failed(1);
    let way = format!("through the proxy http://127.0.0.1:{} (", unknown.port);
    assert!(answer.contains(&way) && answer.contains("NO_PROXY") && !answer.contains("password"), "{answer}");
}
