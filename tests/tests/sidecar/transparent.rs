//! A sidecar to which the kernel redirects the port of a service that cannot change it, in a network namespace as a pod has one.

use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use scenario::eventually::{SOON, eventually};
use scenario::process::{Process, program};
use scenario::sidecar::{Sidecar, bare};
use scenario::vanishing_host::VanishingHost;
use tempfile::TempDir;

/// The ports of an injected pod. They are fixed, because the namespace has no others.
const SERVICE: u16 = 8000;
const SIDECAR: &str = "8080";
const ADMIN: &str = "9191";
const PROBES: u16 = 9192;

/// What `sitio inject --transparent` writes into the init container.
const REDIRECT: [&str; 3] = ["redirect", "8000:8080", "9192:8000"];

/// A pod with a service that knows nothing of its sidecar.
struct Pod {
    host: VanishingHost,
    _service: Process,
    _sidecar: Sidecar,
    _folder: TempDir,
}

impl Pod {
    fn start() -> Self {
        let host = VanishingHost::connect();
        let folder = tempfile::tempdir().unwrap();
        let mut service = host.command("python3");
        service.args(["-m", "http.server", "--bind", "::", &SERVICE.to_string(), "--directory"]).arg(folder.path());
        let service = Process::start(service);
        let sidecar = Sidecar::builder(SERVICE).with("PORT", SIDECAR).with("SITIO_ADMIN_PORT", ADMIN).with("SITIO_LISTEN", "::");
        let sidecar = sidecar.on(&host).start();
        let pod = Self { host, _service: service, _sidecar: sidecar, _folder: folder };
        eventually(SOON, || {
            let output = curl(pod.host.command("curl"), &format!("http://127.0.0.1:{SERVICE}/"));
            ensure!(output.status.success(), "the service does not answer yet");
            Ok(())
        });
        pod
    }

    /// Runs the redirection in the pod, as its init container does.
    fn redirect(&self, arguments: &[&str]) -> Output {
        self.host.command(program("sitio-sidecar").to_str().unwrap()).args(arguments).output().unwrap()
    }

    /// Waits until the sidecar has counted exactly so many requests.
    #[track_caller]
    fn expect_counted(&self, expected: u64) {
        eventually(SOON, || {
            let output = curl(self.host.command("curl"), &format!("http://127.0.0.1:{ADMIN}/metrics"));
            let page = String::from_utf8_lossy(&output.stdout).into_owned();
            let lines = page.lines().filter(|line| line.starts_with("sitio_requests_total{"));
            let counts = lines.map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            let counted = counts.sum::<Option<f64>>().context("a line without a number")? as u64;
            assert!(counted <= expected, "{counted} requests are counted, more than {expected}");
            ensure!(counted == expected && page.contains("sitio_build_info"), "{counted} requests are counted: {output:?}");
            Ok(())
        });
    }
}

/// Sends a request from outside of the pod, and expects the service's answer.
#[track_caller]
fn expect_answer_at(address: &str) {
    let output = curl(Command::new("curl"), &format!("http://{address}/"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("Directory listing"), "{address}: {output:?}");
}

fn curl(mut command: Command, url: &str) -> Output {
    command.args(["--silent", "--globoff", "--noproxy", "*", "--max-time", "20", url]).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_kernel_gives_the_services_port_to_the_sidecar_and_back() {
    let pod = Pod::start();
    let service = format!("{}:{SERVICE}", pod.host.there);
    let ipv6 = format!("[{}]:{SERVICE}", pod.host.add_ipv6());
    expect_answer_at(&service);
    expect_answer_at(&ipv6);
    pod.expect_counted(0);

    // An init container may run again: the second run changes nothing.
    for _ in 0..2 {
        let output = pod.redirect(&REDIRECT);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("port 8000 to 8080, port 9192 to 8000"), "{output:?}");
    }
    expect_answer_at(&service);
    pod.expect_counted(1);
    expect_answer_at(&ipv6);
    pod.expect_counted(2);
    // The kubelet's probes, and what the pod sends to itself, as the sidecar does.
    expect_answer_at(&format!("{}:{PROBES}", pod.host.there));
    assert!(curl(pod.host.command("curl"), &format!("http://127.0.0.1:{SERVICE}/")).status.success());
    assert!(curl(pod.host.command("curl"), &format!("http://{service}/")).status.success());
    expect_answer_at(&service);
    pod.expect_counted(3);

    for _ in 0..2 {
        let output = pod.redirect(&["redirect", "--remove"]);
        assert!(output.status.success(), "{output:?}");
    }
    expect_answer_at(&service);
    let probes = curl(Command::new("curl"), &format!("http://{}:{PROBES}/", pod.host.there));
    assert!(!probes.status.success(), "the probes' port is closed again: {probes:?}");
    pod.expect_counted(3);
}

#[test]
fn without_the_capability_the_error_names_it() {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]).arg(program("sitio-sidecar")).args(REDIRECT);

    let output = command.output().expect("setpriv is a part of util-linux");

    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("capability NET_ADMIN, and user 0"), "{output:?}");
}

#[test]
fn arguments_that_make_no_sense_are_refused_before_anything_is_done() {
    for (arguments, words) in [
        (&["redirect"][..], "<FROM:TO>"),
        (&["redirect", "8000"], "expected two ports from 1 to 65535, such as 8000:8080"),
        (&["redirect", "--remove", "1:2"], "cannot be used with"),
    ] {
        let output = bare().args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(words), "{arguments:?}: {output:?}");
    }
}
