//! Helpers: a scripted service, a sidecar in front of it, a client that sends bytes, and the counts.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mesh::endpoint::Endpoint;
use mesh::report::EndpointReport;
use mesh::rule::{Action, Protection, Rule, Scope, Selector};
use sidecar::exchange::options::ProxyOptions;
use sidecar::rulebook::TimedRule;
use sidecar::target::ServiceAddr;
use sidecar::timeouts::Timeouts;
use sidecar::worker::{RuleSource, Workers};

/// Only ends a test that hangs; nothing here takes long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A listener on a free port.
pub(crate) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The same for a service that runs in this runtime.
pub(crate) fn async_listener() -> (tokio::net::TcpListener, SocketAddr) {
    let (listener, address) = listener();
    listener.set_nonblocking(true).unwrap();
    (tokio::net::TcpListener::from_std(listener).unwrap(), address)
}

/// A sidecar with two workers.
pub(crate) async fn sidecar(target: impl Into<ServiceAddr>) -> (Workers, SocketAddr) {
    sidecar_with(ProxyOptions::new(target)).await
}

/// A sidecar with two workers and these options. A client that has closed its sending half may wait for any time: those
/// of the tests read to the end.
pub(crate) async fn sidecar_with(options: ProxyOptions) -> (Workers, SocketAddr) {
    let timeouts = Timeouts { abandon: None, ..options.timeouts };
    sidecar_as_configured(ProxyOptions { timeouts, ..options }).await
}

/// A sidecar with two workers and exactly these options.
pub(crate) async fn sidecar_as_configured(options: ProxyOptions) -> (Workers, SocketAddr) {
    let (listener, address) = listener();
    let workers = Workers::start(2, listener, options).unwrap();
    workers.open().await;
    (workers, address)
}

/// Turns an endpoint off with 503, or all on again.
pub(crate) async fn turn_off(workers: &Workers, method: &str, route: &str) {
    let rule = Rule {
        id: "r-1".into(),
        selector: Selector { namespace: "default".into(), service: "echo".into(), pods: Vec::new() },
        endpoint: Endpoint::named(method, route).unwrap(),
        action: Action::Disable { status: 503 },
        scope: Scope::default(),
        selection: decorators::selection::Selection::default(),
        protection: Protection::default(),
        expires_ms: None,
        by: "test".into(),
        reason: String::new(),
    };
    workers.apply_rules(RuleSource::ControlPlane, vec![TimedRule::without_limit(rule)]).await;
}

/// What was counted under a route, once it is `enough`. The number in flight is the last one reported.
pub(crate) async fn counted(workers: &Workers, route: &str, enough: impl Fn(&EndpointReport) -> bool) -> EndpointReport {
    let deadline = Instant::now() + PATIENCE;
    let mut sum: Option<EndpointReport> = None;
    loop {
        let mut reports = workers.collect().await;
        reports.retain(|report| report.endpoint.route() == route);
        let in_flight = reports.iter().map(|report| report.in_flight).sum();
        for report in reports {
            match &mut sum {
                None => sum = Some(EndpointReport { in_flight, ..report }),
                Some(sum) => {
                    sum.golden.merge(&report.golden);
                    sum.in_flight = in_flight;
                    sum.recent.extend(report.recent);
                }
            }
        }
        if let Some(sum) = sum.take_if(|sum| enough(sum)) {
            return sum;
        }
        assert!(Instant::now() < deadline, "only {sum:?} was counted");
        tokio::task::yield_now().await;
    }
}

/// Fails a future that takes too long.
#[track_caller]
pub(crate) fn within<F: Future>(what: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move { tokio::time::timeout(PATIENCE, what).await.unwrap_or_else(|_| panic!("nothing within {PATIENCE:?} at {place}")) }
}

/// A service that answers each connection with a script, and returns what it received.
pub(crate) fn service(
    connections: usize,
    script: impl Fn(&mut TcpStream) -> Vec<u8> + Send + 'static,
) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let (listener, address) = listener();
    let serve = move || {
        let connection = |_| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            script(&mut stream)
        };
        (0..connections).map(connection).collect()
    };
    (address, std::thread::spawn(serve))
}

/// Reads a head, and returns it.
pub(crate) fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    head
}

/// Sends bytes in pieces, closes the sending half, and returns everything that comes back.
pub(crate) async fn send(address: SocketAddr, pieces: Vec<Vec<u8>>) -> String {
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(&piece).unwrap();
            std::thread::yield_now();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

/// The same in one piece.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> String {
    send(address, vec![request.as_bytes().to_vec()]).await
}

/// Collects until `enough`, or panics: exchanges are counted just after their last byte.
pub(crate) async fn counted_all(workers: &Workers, enough: impl Fn(&[EndpointReport]) -> bool) -> Vec<EndpointReport> {
    let deadline = Instant::now() + PATIENCE;
    let mut all: Vec<EndpointReport> = Vec::new();
    while !enough(&all) {
        assert!(Instant::now() < deadline, "only {all:?} was counted");
        all.extend(workers.collect().await);
        tokio::task::yield_now().await;
    }
    all
}
