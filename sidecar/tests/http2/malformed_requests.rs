//! Tests of malformed requests: the sidecar refuses them, the service never sees them, and they are counted as refused.

use std::net::SocketAddr;

use mesh::refusal::RefusalReason;
use sidecar::worker::Workers;

use crate::client::{Client, Innocent, head, head_with};
use crate::service::{Script, Service};
use crate::support::{ask, counted, sidecar};

/// Header fields.
type Fields = &'static [(&'static str, &'static str)];

/// Changes to a valid request, and the same fault in HTTP/1 if it can be expressed there.
const FAULTS: [(Fields, Option<&str>); 14] = [
    (&[(":authority", "user@t.test")], Some("GET http://user@t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n")),
    (&[(":authority", "user:word@t.test")], Some("GET / HTTP/1.1\r\nHost: user:word@t.test\r\n\r\n")),
    (&[(":authority", "t.test:x")], Some("GET / HTTP/1.1\r\nHost: t.test:x\r\n\r\n")),
    (&[(":authority", "t.test:x")], Some("GET http://t.test:x/ HTTP/1.1\r\nHost: t.test\r\n\r\n")),
    (&[(":authority", "")], Some("GET http:/// HTTP/1.1\r\nHost: t.test\r\n\r\n")),
    (&[(":scheme", "")], Some("GET ://t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n")),
    (&[(":scheme", "1http")], Some("GET 1http://t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n")),
    (&[(":path", "*")], Some("GET * HTTP/1.1\r\nHost: t.test\r\n\r\n")),
    (&[(":path", "?x")], Some("GET ?x HTTP/1.1\r\nHost: t.test\r\n\r\n")),
    (&[(":path", "/a#b")], Some("GET /a#b HTTP/1.1\r\nHost: t.test\r\n\r\n")),
    (&[(":path", "/a?b#c")], Some("GET /a?b#c HTTP/1.1\r\nHost: t.test\r\n\r\n")),
    (&[("padded", " before")], None),
    (&[("padded", "after ")], None),
    (&[("padded", "after\t")], None),
];

/// Waits until so many requests were counted as refused.
fn expect_refused(workers: &Workers, requests: u64) {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while workers.counters().refusals().total() < requests {
        assert!(std::time::Instant::now() < deadline, "{requests}: {:?}", workers.counters().refusals());
        std::thread::yield_now();
    }
    assert_eq!(workers.counters().refusals().total(), requests);
}

/// The service has seen nothing but the innocent client.
fn expect_unseen(service: &Service) {
    service.log(|log| {
        let innocent = ["/innocent", "/hold/innocent", "/go", "/sound"];
        assert!(log.seen.iter().all(|seen| innocent.contains(&seen.path())), "{log:?}");
    });
}

/// The request gets a reset, or 400 of the sidecar's own.
fn expect_refusal(address: SocketAddr, fields: &[(&str, &str)]) {
    let mut client = Client::connect(address);
    let stream = client.request(fields, true);
    let answer = client.answer(stream);
    let is_answered = answer.status() == 400 && answer.field("x-sitio-error") == "bad-request";
    assert!(is_answered || (answer.head.is_none() && answer.reset.is_some()), "{fields:?}: {answer:?}");
    assert_eq!(client.ask("/sound").status(), 200, "other streams go on");
}

#[tokio::test]
async fn malformed_requests_are_refused_in_both_protocols_and_never_reach_the_service() {
    let service = Service::start(Script::default());
    let (workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut refused = 0;
    for (changes, http1) in FAULTS {
        expect_refusal(address, &head_with(changes));
        refused += 1;
        expect_refused(&workers, refused);
        let Some(http1) = http1 else { continue };
        let answer = ask(address, http1).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{http1}: {answer}");
        assert!(answer.contains("X-Sitio-Error: bad-request\r\n"), "{http1}: {answer}");
        refused += 1;
        expect_refused(&workers, refused);
    }
    expect_unseen(&service);
    innocent.finish();
}

#[tokio::test]
async fn a_malformed_host_without_an_authority_is_the_client_s_mistake_and_no_failure_of_the_service() {
    let service = Service::start(Script::default());
    let (workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/attack"), ("host", "t.test/x")];
    let stream = client.request(&fields, true);
    let answer = client.answer(stream);
    assert_eq!((answer.status(), answer.field("x-sitio-error")), (400, "bad-request"), "{answer:?}");
    assert_eq!(workers.counters().refusals()[RefusalReason::Host], 1);
    expect_unseen(&service);
    innocent.finish();
    let reports = workers.collect().await;
    assert!(reports.iter().all(|report| report.golden.failures() == 0), "{reports:?}");
}

#[tokio::test]
async fn a_pseudo_header_field_in_the_trailers_of_a_request_does_not_complete_it() {
    let service = Service::start(Script::default());
    let (workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let held = client.get("/hold/mine");
    let stream = client.request(&head("POST", "/attack"), false);
    client.wire.body(stream, "body", false);
    service.wait("the body arrives", |log| log.for_path("/attack").iter().any(|seen| seen.body == b"body"));

    client.wire.head(stream, &[(":path", "/other"), ("checksum", "1")], true);

    let answer = client.answer(stream);
    assert!(answer.status() == 400 || answer.reset.is_some(), "{answer:?}");
    service.wait("the reset reaches the service", |log| log.for_path("/attack")[0].reset.is_some());
    assert!(service.log(|log| !log.for_path("/attack")[0].is_whole && log.for_path("/attack").len() == 1));
    let report = counted(&workers, "/attack", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.statuses(), report.golden.failures()), (&[(400, 1)][..], 0));
    assert_eq!(client.ask("/go").status(), 200);
    assert_eq!(client.answer(held).status(), 200, "other streams go on");
    innocent.finish();
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_its_head_says_does_not_complete_the_request() {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let held = client.get("/hold/mine");
    for (number, (length, body)) in [("9", "short"), ("4", "too long"), ("4", "")].into_iter().enumerate() {
        let mut fields = head("POST", "/attack").to_vec();
        fields.push(("content-length", length));
        let stream = client.request(&fields, false);
        service.wait_for("/attack", number + 1);

        client.wire.data(stream, body.as_bytes(), true);

        let answer = client.answer(stream);
        assert!(answer.status() == 400 || answer.reset.is_some(), "{length}: {answer:?}");
        service.wait("the reset reaches the service", |log| log.for_path("/attack")[number].reset.is_some());
        assert!(service.log(|log| !log.for_path("/attack")[number].is_whole), "{length}");
    }
    assert_eq!(client.ask("/go").status(), 200);
    assert_eq!(client.answer(held).status(), 200, "other streams go on");
    innocent.finish();
}
