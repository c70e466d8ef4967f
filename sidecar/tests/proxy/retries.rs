//! Tests of retries, over both protocols on both sides.

use std::io::Write;

use sidecar::exchange::options::ProxyOptions;

use crate::decorators::{both, http2, rule};
use crate::steered_service::{RESETS, Speaks, acted, behind, steered};
use crate::support::{ask, counted, listener, read_head, send, service};

const RETRY: &str = r#"{"retry":{"attempts":2,"backoff":"1ms"}}"#;

#[tokio::test]
async fn a_request_that_the_service_does_not_answer_is_sent_again_and_counted_once() {
    for (speaks, fault) in [(Speaks::Http1, 503), (Speaks::Http1, RESETS), (Speaks::Http2, 504), (Speaks::Http2, RESETS)] {
        let (target, steered, _service) = steered(speaks, 200);
        let (workers, address) = behind(ProxyOptions::new(target), vec![rule("r1", "/*", RETRY, "{}")]).await;
        for (protocol, sent) in [("1", 3), ("2", 6)] {
            steered.fail(2, fault);
            let answer = match protocol {
                "1" => ask(address, "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await,
                _ => http2(address, "/a", &[]).await,
            };
            assert!(answer.contains(" 200") && answer.contains("service"), "{speaks:?} {fault} {protocol}: {answer}");
            assert_eq!(steered.requests(), sent, "{speaks:?} {fault} {protocol}");
        }
        let bodies = steered.bodies.lock().unwrap().concat();
        assert_eq!(bodies, b"hello".repeat(3), "{speaks:?} {fault}: each time, all of it is sent");
        let hits = async |route| counted(&workers, route, |report| report.golden.hits == 2 && report.in_flight == 0).await;
        let report = hits("/a").await;
        assert_eq!((report.golden.statuses(), report.golden.failed), (&[(200, 2)][..], 0), "{speaks:?} {fault}");
        assert_eq!(acted(&workers), (2, 0), "{speaks:?} {fault}");
    }
}

#[tokio::test]
async fn a_failure_that_stays_reaches_the_caller_as_it_is() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let (target, steered, _service) = steered(speaks, 503);
        let (_workers, address) = behind(ProxyOptions::new(target), vec![rule("r1", "/*", RETRY, "{}")]).await;
        both(address, "/a", |response| {
            assert!(response.contains(" 503") && response.contains("service"), "{speaks:?}: {response}");
            assert!(!response.to_lowercase().contains("x-sitio"), "{speaks:?}: it is the service's own: {response}");
        })
        .await;
        assert_eq!(steered.requests(), 6, "{speaks:?}");
    }
}

#[tokio::test]
async fn what_may_do_harm_twice_or_is_not_whole_is_sent_once() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let (target, steered, _service) = steered(speaks, 503);
        let (workers, address) = behind(ProxyOptions::new(target), vec![rule("r1", "/*", RETRY, "{}")]).await;
        let posted = ask(address, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
        assert!(posted.contains(" 503"), "{posted}");
        assert_eq!(steered.requests(), 1, "{speaks:?}");
        // Its head alone fills the first read, so the sidecar does not hold all of it.
        let head = format!("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 1 << 20);
        let put = send(address, vec![head.into_bytes(), vec![b'x'; 1 << 20]]).await;
        assert!(put.contains(" 503"), "{put}");
        assert_eq!((steered.requests(), acted(&workers)), (2, (0, 0)), "{speaks:?}");
    }
}

#[tokio::test]
async fn after_an_interim_response_nothing_is_sent_again() {
    let (target, _service) = service(1, |stream| {
        read_head(stream);
        stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").unwrap();
        Vec::new()
    });
    let (workers, address) = behind(ProxyOptions::new(target), vec![rule("r1", "/*", RETRY, "{}")]).await;
    let answer = ask(address, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 103 ") && answer.contains("X-Sitio-Error: upstream-reset"), "{answer}");
    assert_eq!(acted(&workers), (0, 0));
}

#[tokio::test]
async fn a_service_that_is_not_there_is_asked_again() {
    let (listener, target) = listener();
    drop(listener);
    let (workers, address) = behind(ProxyOptions::new(target), vec![rule("r1", "/*", RETRY, "{}")]).await;
    both(address, "/a", |response| {
        assert!(response.to_lowercase().contains("x-sitio-error: upstream-connect"), "{response}");
    })
    .await;
    counted(&workers, "/a", |report| report.golden.hits == 2).await;
    assert_eq!(acted(&workers), (2, 0));
}

#[tokio::test]
async fn retries_keep_to_the_deadline_and_to_the_budget() {
    let (target, steered, _service) = steered(Speaks::Http1, 503);
    let slow = r#"{"retry":{"attempts":1,"backoff":"1s"}}"#;
    let limit = r#"{"timeout":{"response":"400ms"}}"#;
    let cheap = r#"{"retry":{"attempts":1,"backoff":"0s","budget_percent":1}}"#;
    let rules = vec![rule("r1", "/a", slow, "{}"), rule("r2", "/a", limit, "{}"), rule("r3", "/b", cheap, "{}")];
    let (_workers, address) = behind(ProxyOptions::new(target), rules).await;
    both(address, "/a", |response| assert!(response.contains(" 503"), "{response}")).await;
    assert_eq!(steered.requests(), 2, "the wait, of at least 500 ms, would end after the deadline");
    for _ in 0..10 {
        both(address, "/b", |response| assert!(response.contains(" 503"), "{response}")).await;
    }
    assert_eq!(steered.requests(), 2 + 20 + 10, "ten retries in ten seconds are always allowed, and no more here");
}
