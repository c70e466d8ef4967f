//! Runs each example in front of a service, as the documentation shows it.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long a program may take to start, or to answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running example, which ends with the test.
struct Example {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    port: u16,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Example {
    /// Starts an example in front of the service.
    fn start(name: &str, service: SocketAddr, environment: &[(&str, &str)]) -> Self {
        // The examples are built beside the tests.
        let folder: PathBuf = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
        let mut child = Command::new(folder.join(name))
            .env_clear()
            .envs([("PORT", "0"), ("SITIO_ADMIN_PORT", "0"), ("SITIO_LISTEN", "127.0.0.1")])
            .env("TARGET_PORT", service.port().to_string())
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("start {name}: {why}: build it by cargo build -p sitio-sidecar --examples"));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        // listening for request in PORT and targeting TARGET
        let port = line.split(' ').nth(4).and_then(|port| port.parse().ok());
        Self { child, output, port: port.unwrap_or_else(|| panic!("{name} printed {line:?}")) }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }
}

/// A service that answers `/missing` with 404, and returns the head of any other request.
fn service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|read| read > 0) && !head.ends_with("\r\n\r\n") {}
            let status = if head.contains("/missing") { "404 Not Found" } else { "200 OK" };
            let length = head.len();
            let _ = write!(&stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{head}");
        }
    });
    address
}

#[test]
fn a_page_replaces_the_404_of_the_service() {
    let example = Example::start("not_found_page", service(), &[]);
    assert!(example.get("/missing").contains("Look somewhere else"));
    assert!(example.get("/there").contains("GET /there"));
}

#[test]
fn each_exchange_is_printed() {
    let mut example = Example::start("telemetry", service(), &[]);
    assert!(example.get("/a").contains(" 200"));
    let mut line = String::new();
    example.output.read_line(&mut line).unwrap();
    assert!(line.starts_with("GET /a 200 "), "{line}");
}

#[test]
fn maintenance_begins_and_ends_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("maintenance");
    let example = Example::start("maintenance", service(), &[("MAINTENANCE_FILE", file.to_str().unwrap())]);
    assert!(example.get("/a").contains(" 200"));
    std::fs::write(&file, "").unwrap();
    let answer = example.get("/a");
    assert!(answer.contains(" 503") && answer.contains("Retry-After: 120"), "{answer}");
    assert!(answer.contains("X-Sitio-Decorator: maintenance"), "{answer}");
    assert!(example.get("/healthz").contains(" 200"));
    std::fs::remove_file(&file).unwrap();
    assert!(example.get("/a").contains(" 200"));
}

#[test]
fn both_ways_are_stamped() {
    let example = Example::start("header_stamp", service(), &[]);
    let answer = example.get("/a");
    assert!(answer.contains("X-Stamped-For: 127.0.0.1") && answer.contains("X-Stamped-By: sitio"), "{answer}");
}
