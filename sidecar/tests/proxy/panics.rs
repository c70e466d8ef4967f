//! Tests that a panic within an exchange ends only that connection, and that the exchange is still counted.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use sidecar::exchange::options::ProxyOptions;
use sidecar::worker::Workers;
use sidecar::{Decorator, Request, Response, Step};

use crate::support::{PATIENCE, listener, sidecar_with};

/// Panics in the hook that the endpoint names, and again in `name`. The latter is not under the handler that catches
/// panics of hooks, so it acts like a bug in the proxy itself.
struct Clumsy;

impl Decorator for Clumsy {
    fn name(&self) -> &'static str {
        panic!("outside of a hook")
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        assert!(request.endpoint().route() != "/before", "within a hook");
        Step::Pass
    }

    fn after(&self, response: &mut Response<'_>) -> Step {
        assert!(response.endpoint().route() != "/after", "within a hook");
        Step::Pass
    }
}

/// A decorator whose hooks panic and whose name does not.
struct Absent;

impl Decorator for Absent {
    fn name(&self) -> &'static str {
        "absent"
    }

    fn before(&self, _: &mut Request<'_>) -> Step {
        panic!("before")
    }

    fn after(&self, _: &mut Response<'_>) -> Step {
        panic!("after")
    }
}

/// A service that answers every request on every connection.
fn service() -> SocketAddr {
    let (listener, address) = listener();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.by_ref().map_while(Result::ok).any(|line| line.is_empty()) {
                    (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
                }
            });
        }
    });
    address
}

async fn decorated(decorator: impl Decorator + 'static) -> (Workers, SocketAddr) {
    sidecar_with(ProxyOptions { decorators: vec![Arc::new(decorator)], ..ProxyOptions::new(service()) }).await
}

struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    /// The status of the response, or how the connection ended.
    fn get(&mut self, target: &str) -> io::Result<String> {
        write!(self.reader.get_mut(), "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")?;
        let (mut status, mut line) = (String::new(), String::new());
        self.reader.read_line(&mut status)?;
        while line != "\r\n" {
            line.clear();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        io::Read::read_exact(&mut self.reader, &mut [0; 2])?;
        Ok(status)
    }
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_only() {
    let (workers, address) = decorated(Clumsy).await;
    let talk = tokio::task::spawn_blocking(move || {
        let mut bystander = Client::connect(address);
        assert!(bystander.get("/fine").is_ok());
        for target in ["/before", "/after", "/before", "/after"] {
            let mut unlucky = Client::connect(address);
            assert!(unlucky.get("/fine").is_ok());
            assert!(unlucky.get(target).is_err(), "{target} ends the connection");
            assert!(bystander.get("/fine").is_ok(), "the bystander goes on after {target}");
            assert!(Client::connect(address).get("/fine").is_ok(), "newcomers are served after {target}");
        }
    });
    talk.await.unwrap();

    let (mut broken, mut served, mut failed_by_sitio) = (0, 0, 0);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reported = workers.collect().await;
        for (status, count) in reported.iter().flat_map(|report| report.golden.statuses()) {
            *if *status == 500 { &mut broken } else { &mut served } += count;
        }
        failed_by_sitio += reported.iter().map(|report| report.golden.failed_by_sitio).sum::<u64>();
        if (broken, failed_by_sitio, served) == (4, 4, 13) && reported.iter().all(|report| report.in_flight == 0) {
            break;
        }
        assert!(Instant::now() < deadline, "{broken} and {served} were counted, the last being {reported:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hook_that_panics_is_passed_over_and_counted() {
    let (workers, address) = decorated(Absent).await;
    let talk = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(address);
        for _ in 0..10 {
            assert!(client.get("/fine").unwrap().starts_with("HTTP/1.1 200"));
        }
    });
    talk.await.unwrap();

    assert_eq!(workers.counters().panics.load(Ordering::Relaxed), 20);
}
