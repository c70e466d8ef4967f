//! Helpers of the protocol tests: starts sidecars, and waits for what they count.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::endpoint::Endpoint;
use mesh::report::EndpointReport;
use mesh::rule::{Action, Protection, Rule, Scope, Selector};
use sidecar::exchange::options::TunnelOptions;
use sidecar::rulebook::TimedRule;
use sidecar::target::ServiceAddr;
use sidecar::worker::Workers;

/// Only ends a test that hangs; nothing here takes long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

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
    sidecar_told(TunnelOptions::new(target)).await
}

/// A sidecar with two workers and these options.
pub(crate) async fn sidecar_told(options: TunnelOptions) -> (Workers, SocketAddr) {
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
        protection: Protection::default(),
        expires_ms: None,
        by: "test".into(),
        reason: String::new(),
    };
    workers.obey(Arc::new(vec![TimedRule::without_limit(rule)])).await;
}

/// What was counted under a route, once it is `enough`. The number in flight is the last one reported.
pub(crate) async fn counted(workers: &Workers, route: &str, enough: impl Fn(&EndpointReport) -> bool) -> EndpointReport {
    let deadline = Instant::now() + PATIENCE;
    let mut sum: Option<EndpointReport> = None;
    loop {
        for report in workers.collect().await.into_iter().filter(|report| report.endpoint.route() == route) {
            match &mut sum {
                None => sum = Some(report),
                Some(sum) => {
                    sum.golden.merge(&report.golden);
                    sum.in_flight = report.in_flight;
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
