//! Tests restarts under load: requests fail only while the service is down, and each failure has a reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::ensure;
use rustix::process::Signal;
use scenario::clients::{Clients, RequestResult};
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::origin_process::OriginProcess;
use scenario::sidecar::Sidecar;

/// The drain grace of a pod: longer than clients need to notice the failed probe.
const GRACE: &str = "3s";

/// A period during which the service accepted connections.
struct Up {
    since: Instant,
    until: Instant,
}

impl Up {
    fn covers(&self, asked: &RequestResult) -> bool {
        self.since <= asked.began && asked.ended <= self.until
    }
}

fn is_success(asked: &RequestResult) -> bool {
    matches!(asked.answer, Ok((200, None)))
}

#[test]
fn a_services_restart_is_survived_and_every_failure_says_why() {
    let mut service = OriginProcess::start();
    let sidecar = Sidecar::in_front_of(service.port());
    let port = sidecar.port;
    let asking = Clients::start(8, move || port);
    let mut times = Vec::new();
    for _ in 1..=3 {
        service.crash();
        expect_more(&sidecar, 502);
        let since = service.restart();
        expect_more(&sidecar, 200);
        times.push(Up { since, until: Instant::now() });
    }

    let asked = asking.stop();

    for one in asked.iter().filter(|one| !is_success(one)) {
        let why = one.answer.as_ref().map(|(status, word)| (*status, word.as_deref().unwrap_or_default()));
        assert!(matches!(why, Ok((502, "upstream-connect" | "upstream-reset"))), "{one:?}");
    }
    // The first request after the restart reaches the service.
    for up in times {
        let (served, failed): (Vec<_>, Vec<_>) = asked.iter().filter(|one| up.covers(one)).partition(|one| is_success(one));
        assert!(
            failed.is_empty(),
            "{} of {} requests failed while the service was there: {failed:?}",
            failed.len(),
            served.len()
        );
        assert!(!served.is_empty(), "no request was made while the service was there");
    }
}

/// Waits until a hundred more exchanges are counted with this status.
fn expect_more(sidecar: &Sidecar, status: u16) {
    let counted = || sidecar.metric("sitio_requests_total", &format!("http_response_status_code=\"{status}\""));
    let before = counted();
    eventually(SOON, || {
        let more = counted() - before;
        ensure!(more >= 100, "only {more} more of {status}");
        Ok(())
    });
}

/// The pods of a service, of which the clients use a ready one.
struct Pods {
    sidecars: Vec<Sidecar>,
    picked: Arc<AtomicUsize>,
}

#[test]
fn a_rolling_restart_loses_no_request_and_no_count() {
    let (control_plane, origin) = (ControlPlane::start(), Origin::start());
    let pod = |name: &str| {
        Sidecar::builder(origin.port())
            .named("shop", name)
            .reports_to(control_plane.grpc_port)
            .with("SITIO_DRAIN_GRACE", GRACE)
            .start()
    };
    let mut pods = Pods { sidecars: vec![pod("shop-0"), pod("shop-1")], picked: Arc::default() };
    pods.pick(0);
    let picked = Arc::clone(&pods.picked);
    let asking = Clients::start(8, move || picked.load(Ordering::Relaxed) as u16);

    for round in 0..4 {
        let leaving = round % 2;
        expect_more(&pods.sidecars[leaving], 200);
        // As in a rolling update, a pod leaves only when its successor is ready.
        pods.expect_ready(1 - leaving);
        // The load balancer notices the drain by the probe.
        pods.sidecars[leaving].process.signal(Signal::TERM);
        eventually(SOON, || {
            ensure!(pods.sidecars[leaving].admin("/readyz").status() == 503, "still ready");
            Ok(())
        });
        pods.pick(1 - leaving);
        assert_eq!(pods.sidecars[leaving].process.ended(SOON).code(), Some(0), "round {round}");
        pods.sidecars[leaving] = pod(&format!("shop-{}", round + 2));
    }
    let asked = asking.stop();

    let lost: Vec<_> = asked.iter().filter(|one| !is_success(one)).collect();
    assert!(lost.is_empty(), "{} of {} requests are lost: {lost:?}", lost.len(), asked.len());
    println!("{} requests over four restarts", asked.len());
    control_plane.api().expect_hits("shop", asked.len() as u64);
}

impl Pods {
    fn expect_ready(&self, at: usize) {
        eventually(SOON, || {
            let status = self.sidecars[at].admin("/readyz").status();
            ensure!(status == 200, "still {status}");
            Ok(())
        });
    }

    /// Waits until a pod is ready, and directs the clients to it.
    fn pick(&self, at: usize) {
        self.expect_ready(at);
        self.picked.store(usize::from(self.sidecars[at].port), Ordering::Relaxed);
    }
}
