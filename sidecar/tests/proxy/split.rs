//! Tests that a split sends each client to one side, over both protocols, and counts both sides.

use decorators::action::Action;
use mesh::rule_totals::SplitSides;
use sidecar::decorator::background::Background;
use sidecar::decorator::catalog::{Catalog, Origin};
use sidecar::decorator::pod_names::PodNames;
use sidecar::exchange::options::ProxyOptions;
use sidecar::worker::Workers;

use crate::decorators::{both, http2, rule};
use crate::steered_service::{Speaks, behind, steered};
use crate::support::{ask, counted, listener};

fn split_to(address: std::net::SocketAddr, percent: u8) -> String {
    format!(r#"{{"split":{{"to":"{address}","percent":{percent},"by":"cookie:session"}}}}"#)
}

/// What the first rule has counted, once that is so many exchanges.
async fn sides(workers: &Workers, hits: u64) -> SplitSides {
    counted(workers, "/a", |report| report.golden.hits == hits && report.in_flight == 0).await;
    workers.rules()[0].decorator.as_ref().unwrap().sides().unwrap()
}

#[tokio::test]
async fn each_client_stays_on_its_side_whatever_protocol_it_speaks() {
    const CLIENTS: usize = 100;
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let (target, _own, _service) = steered(speaks, 200);
        let (address, other, _canary) = steered(Speaks::Http1, 201);
        let (workers, sidecar) = behind(ProxyOptions::new(target), vec![rule("r1", "/*", &split_to(address, 30), "{}")]).await;
        for client in 0..CLIENTS {
            let before = other.requests();
            let request = format!("POST /a HTTP/1.1\r\nHost: a\r\nCookie: a=1; session=u{client}\r\nContent-Length: 2\r\n\r\nhi");
            let over_http1 = ask(sidecar, &request).await;
            let over_http2 = http2(sidecar, "/a", &[("cookie", "a=1"), ("cookie", &format!("session=u{client}"))]).await;
            let (expected, requests) = if over_http1.contains(" 201 ") { (" 201", 2) } else { (" 200", 0) };
            assert!(over_http1.contains(expected) && over_http2.contains(expected), "{client}: {over_http1} {over_http2}");
            assert_eq!(other.requests() - before, requests, "{client}");
        }
        let counted = sides(&workers, 2 * CLIENTS as u64).await;
        let others = counted.other.hits / 2;
        // The hash and the names are fixed, so this is the same in each run: it shows that the share is about right.
        assert!((20..=40).contains(&others), "{others} of {CLIENTS}");
        assert_eq!(counted.own.hits + counted.other.hits, 2 * CLIENTS as u64);
        assert_eq!((counted.own.statuses()[0].0, counted.other.statuses()[0].0), (200, 201));
        assert_eq!(counted.other.latency.count(), counted.other.hits);
    }
}

#[tokio::test]
async fn a_side_that_is_down_fails_and_does_not_touch_the_other() {
    let (target, own, _service) = steered(Speaks::Http1, 200);
    let (listener, address) = listener();
    drop(listener);
    let (workers, sidecar) = behind(ProxyOptions::new(target), vec![rule("r1", "/a", &split_to(address, 100), "{}")]).await;
    both(sidecar, "/a", |response| {
        let lower = response.to_lowercase();
        assert!(lower.contains(" 502") && lower.contains("x-sitio-error: upstream-connect"), "{response}");
    })
    .await;
    assert_eq!(own.requests(), 0, "its failures stay visible: nothing falls back");
    both(sidecar, "/b", |response| assert!(response.contains(" 200"), "{response}")).await;
    let counted = sides(&workers, 2).await;
    assert_eq!((counted.other.hits, counted.other.failed, counted.own.hits), (2, 2, 0));
}

#[tokio::test]
async fn a_service_over_http2_only_can_be_the_other_side_for_callers_of_http1() {
    let (target, _own, _service) = steered(Speaks::Http1, 200);
    let (address, other, _canary) = steered(Speaks::Http2, 201);
    let (_workers, sidecar) = behind(ProxyOptions::new(target), vec![rule("r1", "/*", &split_to(address, 100), "{}")]).await;
    for _ in 0..3 {
        let answer = ask(sidecar, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 201 ") && answer.contains("service"), "{answer}");
    }
    assert_eq!(other.requests(), 3);
}

#[test]
fn no_rule_makes_the_sidecar_open_a_socket_of_the_file_system() {
    let pod = PodNames { service: "web".into(), pod: "web-1".into() };
    let catalog = Catalog { pod, background: Background::none(), own_ports: Vec::new() };
    let action = Action::from_json(r#"{"split":{"to":"unix:/run/docker.sock","percent":10}}"#).unwrap();
    assert!(catalog.build(&action, Origin::ControlPlane).unwrap_err().contains("only for a file of decorators"));
    assert!(catalog.build(&action, Origin::File).is_ok());
}
