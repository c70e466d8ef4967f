//! Tests the sidecar's JSON access log: one line for each exchange, and a blocked output stops no traffic.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
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
        let lines = json_lines(&sidecar)?;
        ensure!(lines.len() == 2, "{lines:?}");
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

/// The preface of HTTP/2 with empty SETTINGS, and three requests: with `/a#b`, with a Host that is not the authority, and
/// with a field name in upper case. Indexed fields are those of the static table (RFC 7541, appendix A).
const REFUSED_IN_HTTP_2: [&[u8]; 4] = [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    b"\0\0\x0e\x01\x05\0\0\0\x01\x82\x86\x04\x04/a#b\x01\x04shop",
    b"\0\0\x17\x01\x05\0\0\0\x03\x82\x86\x04\x05/host\x01\x04shop\x0f\x17\x05other",
    b"\0\0\x0e\x01\x05\0\0\0\x05\x82\x86\x84\x01\x04shop\x00\x01X\x01y",
];

#[test]
fn a_refused_request_is_a_line_with_its_reason_in_both_protocols() {
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).named("shop", "shop-0").with("SITIO_ACCESS_LOG", "json").start();
    for request in ["GET /a#b HTTP/1.1\r\nHost: shop\r\n\r\n", "GET /host?token=secret HTTP/1.1\r\n\r\n"] {
        let mut client = sidecar.connect();
        client.send(request);
        assert_eq!(client.response("GET").status(), 400);
    }
    let mut client = sidecar.connect();
    client.send(REFUSED_IN_HTTP_2.concat());

    let mut lines: Vec<Value> = eventually(SOON, || {
        let lines = json_lines(&sidecar)?;
        ensure!(lines.len() == 5, "{lines:?}");
        Ok(lines)
    });

    lines.sort_by_key(|line| (line["reason"].to_string(), line["path"].to_string()));
    let answer = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(answer("reason"), ["host", "host", "http2", "target", "target"]);
    assert_eq!(answer("path"), ["/host", "/host", "", "/a", "/a"]);
    for line in &lines {
        assert_eq!((&line["outcome"], &line["status"]), (&"bad-request".into(), &400.into()), "{line}");
        assert_eq!((&line["caller"], &line["pod"]), (&"127.0.0.1".into(), &"shop-0".into()), "{line}");
    }
    assert_eq!(origin.heads(), 0);
}

/// The lines of the access log so far.
fn json_lines(sidecar: &Sidecar) -> Result<Vec<Value>> {
    let printed = sidecar.process.stdout();
    let lines = printed.iter().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line));
    lines.collect::<Result<_, _>>().with_context(|| format!("{printed:?}"))
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
