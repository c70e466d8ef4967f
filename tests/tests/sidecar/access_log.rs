//! Tests the sidecar's JSON access log: one line for each exchange, and a blocked output stops no traffic.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, ensure};
use scenario::client::Client;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::sidecar::{Sidecar, bare};
use serde_json::Value;

#[test]
fn each_exchange_is_a_line() {
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).named("shop", "shop-0").with("SITIO_ACCESS_LOG", "json").start();
    sidecar.get("/users/42?token=secret");
    sidecar.get("/missing");

    let lines: Vec<Value> = eventually(SOON, || {
        let printed = sidecar.process.stdout();
        let lines = printed.iter().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line));
        let lines = lines.collect::<Result<Vec<Value>, _>>()?;
        ensure!(lines.len() == 2, "{printed:?}");
        Ok(lines)
    });

    let answer = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(answer("path"), ["/users/42", "/missing"]);
    assert_eq!(answer("route"), ["/users/{id}", "/missing"]);
    assert_eq!(answer("status"), [200, 404]);
    assert_eq!(answer("caller"), ["127.0.0.1", "127.0.0.1"]);
    assert_eq!(answer("pod"), ["shop-0", "shop-0"]);
    assert!(lines[0]["duration_us"].as_u64() >= lines[0]["first_byte_us"].as_u64(), "{}", lines[0]);
    assert_eq!(sidecar.metric("sitio_access_log_lines_total", ""), 2);
}

#[test]
fn a_blocked_output_stops_no_traffic() {
    let origin = Origin::start();
    let mut command = bare();
    command.env("TARGET_PORT", origin.port().to_string());
    command.env("SITIO_ACCESS_LOG", "json").env("SITIO_ACCESS_LOG_RATE", "50000");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the sidecar starts");
    let mut output = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut first = String::new();
    output.read_line(&mut first).expect("it says where it listens");
    let port = first.split("request in ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    let mut client = Client::connect(port.with_context(|| first.clone()).expect("a port"));

    // A pipe holds 64 KiB and a line is over 200 bytes: the pipe is full long before the last of these.
    for _ in 0..20_000 {
        assert_eq!(client.get("/often").status(), 200);
    }

    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).expect("it runs");
    let ended = eventually(SOON, || child.try_wait()?.context("it is still running"));
    assert!(ended.success(), "{ended}");
    drop(output);
}
