//! Tests of time limits and circuit breakers, over both protocols on both sides.

use std::time::{Duration, Instant};

use mesh::exchange::Outcome;
use mesh::rule_totals::CircuitState;
use sidecar::exchange::options::ProxyOptions;
use sidecar::timeouts::Timeouts;
use sidecar::worker::{RuleSource, Workers};
use tokio::task::JoinSet;
use tonic::Code;

use crate::decorators::{both, rule};
use crate::grpc_service::{Client, Note, serve};
use crate::steered_service::{RESETS, SILENT, Speaks, Steered, acted, behind, steered};
use crate::support::{PATIENCE, ask, counted, within};

/// Polls until the state of the first rule's decorator is this.
async fn until_state(workers: &Workers, wanted: CircuitState) {
    let deadline = Instant::now() + PATIENCE;
    let state = || workers.rules()[0].decorator.as_ref().unwrap().circuit().unwrap();
    while state() != wanted {
        assert!(Instant::now() < deadline, "it is still {:?}", state());
        tokio::task::yield_now().await;
    }
}

/// Polls until the service has had so many requests.
async fn until_requested(steered: &Steered, requests: usize) {
    let deadline = Instant::now() + PATIENCE;
    while steered.requests() < requests {
        assert!(Instant::now() < deadline, "only {} requests", steered.requests());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_in_time_is_answered_for() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let (target, _steered, _service) = steered(speaks, SILENT);
        let limit = r#"{"timeout":{"response":"50ms"}}"#;
        let (workers, address) = behind(ProxyOptions::new(target), vec![rule("r1", "/a", limit, "{}")]).await;
        both(address, "/a", |response| {
            let lower = response.to_lowercase();
            assert!(lower.contains(" 504") && lower.contains("x-sitio-error: upstream-timeout"), "{speaks:?}: {response}");
        })
        .await;
        let report = counted(&workers, "/a", |report| report.golden.hits == 2 && report.in_flight == 0).await;
        assert_eq!((report.golden.statuses(), report.golden.failed), (&[(504, 2)][..], 2), "{speaks:?}");
        assert_eq!(acted(&workers), (2, 0), "{speaks:?}");
    }
}

#[tokio::test]
async fn a_limit_replaces_the_setting_and_a_shadow_only_counts() {
    let (target, steered, _service) = steered(Speaks::Http1, SILENT);
    let timeouts = Timeouts { answer: Some(Duration::from_millis(10)), ..Timeouts::default() };
    let options = ProxyOptions { timeouts, ..ProxyOptions::new(target) };
    let long = r#"{"timeout":{"response":"24h"}}"#;
    let (workers, address) = behind(options, vec![rule("r1", "/long", long, "{}")]).await;
    let mut asked = JoinSet::new();
    asked.spawn(async move { ask(address, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await });
    // The setting has ended a request that came later, so it would have ended this one.
    until_requested(&steered, 1).await;
    let answer = ask(address, "GET /short HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(asked.try_join_next().is_none());
    steered.steer(200);
    steered.released.notify_waiters();
    assert!(asked.join_next().await.unwrap().unwrap().contains("upstream-reset"), "the service closes what it was silent on");

    let short = r#"{"timeout":{"response":"10ms","exchange":"10ms"}}"#;
    let shadow = vec![rule("r2", "/long", short, r#"{"mode":"shadow"}"#), rule("r1", "/long", long, "{}")];
    workers.apply_rules(RuleSource::ControlPlane, shadow).await;
    steered.steer(SILENT);
    asked.spawn(async move { ask(address, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await });
    let started = Instant::now();
    until_requested(&steered, 3).await;
    // As long as the shadow allows, from before the sidecar's own clock began.
    while started.elapsed() < Duration::from_millis(50) {
        tokio::task::yield_now().await;
    }
    steered.released.notify_waiters();
    assert!(asked.join_next().await.unwrap().unwrap().contains("upstream-reset"));
    counted(&workers, "/long", |report| report.golden.hits == 2).await;
    assert_eq!(acted(&workers), (0, 1));
}

#[tokio::test]
async fn a_call_of_grpc_that_takes_too_long_has_exceeded_its_deadline() {
    let (target, _service) = serve();
    let limit = r#"{"timeout":{"response":"50ms"}}"#;
    let (workers, address) = behind(ProxyOptions::new(target), vec![rule("r1", "/*", limit, "{}")]).await;
    let mut client = Client::connect(address).await;
    // The service answers at the end of the stream, which does not come.
    let status = within(client.sum(tokio_stream::pending::<Note>())).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(status.metadata().get("x-sitio-error").unwrap(), "upstream-timeout");
    let report = counted(&workers, "/test.Echo/Sum", |report| report.golden.hits == 1 && report.in_flight == 0).await;
    assert_eq!((report.golden.statuses(), report.golden.failed), (&[(504, 1)][..], 1));
    assert_eq!(report.recent[0].outcome, Outcome::UpstreamTimeout);
}

#[tokio::test]
async fn a_circuit_opens_when_the_service_fails_and_closes_when_a_probe_succeeds() {
    for (speaks, fault) in [(Speaks::Http1, 500), (Speaks::Http1, RESETS), (Speaks::Http2, 503), (Speaks::Http2, RESETS)] {
        let (target, steered, _service) = steered(speaks, fault);
        let breaker = r#"{"circuit-breaker":{"failures":4,"open_for":"100ms","open_for_max":"200ms"}}"#;
        let (workers, address) = behind(ProxyOptions::new(target), vec![rule("r1", "/*", breaker, "{}")]).await;
        let ask = async || ask(address, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
        for sent in 1..=4 {
            let answer = ask().await;
            assert!(!answer.contains("X-Sitio-Decorator"), "{speaks:?} {sent}: {answer}");
        }
        until_state(&workers, CircuitState::Open).await;
        let before = steered.requests();
        // The circuit may be half-open by now, so that some of these are probes, which fail, too.
        let mut refused = 0;
        while refused < 3 {
            let answer = ask().await;
            refused += usize::from(answer.contains("X-Sitio-Decorator: circuit-breaker"));
            assert!(!answer.contains("X-Sitio-Decorator") || answer.contains("Retry-After: 1\r\n"), "{answer}");
        }
        assert!(steered.requests() - before <= acted(&workers).0 as usize, "{speaks:?}");
        steered.steer(200);
        let deadline = Instant::now() + PATIENCE;
        while !ask().await.contains("\r\nservice") {
            assert!(Instant::now() < deadline, "{speaks:?}: the circuit stays open");
        }
        until_state(&workers, CircuitState::Closed).await;
    }
}

#[tokio::test]
async fn a_circuit_is_open_for_all_protocols_and_its_answers_close_nothing() {
    let (target, steered, _service) = steered(Speaks::Http1, 500);
    let breaker = r#"{"circuit-breaker":{"error_percent":50,"requests":4,"open_for":"1h"}}"#;
    let page = r#"{"error-page":{"on":["5xx"],"status":200,"html":"<p>sorry"}}"#;
    let rules = vec![rule("r1", "/*", breaker, "{}"), rule("r2", "/*", page, "{}")];
    let (workers, address) = behind(ProxyOptions::new(target), rules).await;
    for _ in 0..2 {
        both(address, "/a", |response| assert!(response.contains(" 200") && response.contains("sorry"), "{response}")).await;
    }
    until_state(&workers, CircuitState::Open).await;
    for _ in 0..3 {
        both(address, "/a", |response| {
            let lower = response.to_lowercase();
            assert!(lower.contains(" 503") && lower.contains("retry-after: 3600"), "{response}");
            assert!(lower.contains("x-sitio-decorator: circuit-breaker"), "{response}");
        })
        .await;
    }
    assert_eq!(steered.requests(), 4, "the page does not hide the service's failures, and an open circuit lets nothing pass");
    assert_eq!(acted(&workers).0, 6);
    let report = counted(&workers, "/a", |report| report.golden.hits == 10 && report.in_flight == 0).await;
    assert_eq!(report.golden.statuses(), [(200, 4), (503, 6)]);
}

#[tokio::test]
async fn calls_of_grpc_open_a_circuit_by_their_status_and_are_unavailable_then() {
    let (target, _service) = serve();
    let breaker = r#"{"circuit-breaker":{"failures":2,"open_for":"1h"}}"#;
    let (workers, address) = behind(ProxyOptions::new(target), vec![rule("r1", "/*", breaker, "{}")]).await;
    let mut client = Client::connect(address).await;
    let fail = |code: Code| Note { number: code as u32, text: b"fail".to_vec() };
    for code in [Code::Internal, Code::NotFound, Code::Internal, Code::Unknown] {
        assert_eq!(within(client.repeat(fail(code))).await.unwrap_err().code(), code);
    }
    until_state(&workers, CircuitState::Open).await;
    let status = within(client.repeat(fail(Code::NotFound))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(status.metadata().get("x-sitio-decorator").unwrap(), "circuit-breaker");
}
