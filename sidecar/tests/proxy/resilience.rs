//! Tests of timeouts, circuit breakers and retries, over both protocols on both sides.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesh::exchange::Outcome;
use sidecar::exchange::options::ProxyOptions;
use sidecar::rulebook::TimedRule;
use sidecar::timeouts::Timeouts;
use sidecar::worker::{RuleSource, Workers};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tonic::Code;

use crate::decorators::{both, http2, rule};
use crate::grpc_service::{Client, Note, serve};
use crate::support::{PATIENCE, ask, async_listener, counted, listener, read_head, send, service, sidecar_with, within};

/// A service whose next answers a test chooses.
#[derive(Default)]
pub(crate) struct Steered {
    /// The status, or what else it does.
    next: AtomicU16,
    /// How many more requests are treated so. The others get 200.
    left: AtomicUsize,
    requests: AtomicUsize,
    bodies: Mutex<Vec<Vec<u8>>>,
    released: Notify,
}

/// It does not answer before it is released.
pub(crate) const SILENT: u16 = 0;

/// It closes the connection, or resets the stream.
pub(crate) const RESETS: u16 = 1;

impl Steered {
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn steer(&self, next: u16) {
        self.fail(usize::MAX, next);
    }

    /// Treats so many requests this way, and then answers with 200.
    fn fail(&self, times: usize, next: u16) {
        self.next.store(next, Ordering::SeqCst);
        self.left.store(times, Ordering::SeqCst);
    }

    /// Counts a request, and returns what to do with it.
    async fn next(&self, body: Vec<u8>) -> u16 {
        self.bodies.lock().unwrap().push(body);
        self.requests.fetch_add(1, Ordering::SeqCst);
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let next = if left.is_ok() { self.next.load(Ordering::SeqCst) } else { 200 };
        if next == SILENT {
            self.released.notified().await;
        }
        next
    }
}

/// Which protocol a service speaks. Both must be tested: the sidecar translates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

pub(crate) fn steered(speaks: Speaks, next: u16) -> (SocketAddr, Arc<Steered>, JoinSet<()>) {
    let (listener, address) = async_listener();
    let steered = Arc::new(Steered::default());
    steered.steer(next);
    let (mut service, steering) = (JoinSet::new(), Arc::clone(&steered));
    service.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let steering = Arc::clone(&steering);
            match speaks {
                Speaks::Http1 => connections.spawn(serve_http1(stream, steering)),
                Speaks::Http2 => connections.spawn(serve_http2(stream, steering)),
            };
        }
    });
    (address, steered, service)
}

async fn serve_http1(stream: tokio::net::TcpStream, steered: Arc<Steered>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            // The preface of HTTP/2 is no request of a client.
            if stream.read_line(&mut line).await.unwrap_or_default() == 0 || line.starts_with("PRI ") {
                return;
            }
            length = line.to_lowercase().strip_prefix("content-length: ").map_or(length, |text| text.trim().parse().unwrap());
        }
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let status = match steered.next(body).await {
            SILENT | RESETS => return,
            status => status,
        };
        let answer = format!("HTTP/1.1 {status} Because\r\nContent-Length: 7\r\n\r\nservice");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn serve_http2(stream: tokio::net::TcpStream, steered: Arc<Steered>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut requests = JoinSet::new();
    while let Some(Ok((mut request, mut respond))) = connection.accept().await {
        let steered = Arc::clone(&steered);
        requests.spawn(async move {
            let mut body = Vec::new();
            while let Some(Ok(piece)) = request.body_mut().data().await {
                body.extend_from_slice(&piece);
                let _ = request.body_mut().flow_control().release_capacity(piece.len());
            }
            match steered.next(body).await {
                SILENT | RESETS => respond.send_reset(h2::Reason::INTERNAL_ERROR),
                status => {
                    let response = http::Response::builder().status(status).body(()).unwrap();
                    if let Ok(mut body) = respond.send_response(response, false) {
                        let _ = body.send_data(Bytes::from_static(b"service"), true);
                    }
                }
            }
        });
    }
}

pub(crate) async fn behind(options: ProxyOptions, rules: Vec<TimedRule>) -> (Workers, SocketAddr) {
    let (workers, address) = sidecar_with(options).await;
    workers.apply_rules(RuleSource::ControlPlane, rules).await;
    (workers, address)
}

/// On how many exchanges the first rule has acted, and would have acted.
fn acted(workers: &Workers) -> (u64, u64) {
    let totals = workers.rules()[0].counts.totals("r1");
    (totals.acted, totals.shadowed)
}

/// Polls until the state of the first rule's decorator is this.
async fn until_state(workers: &Workers, word: &str) {
    let deadline = Instant::now() + PATIENCE;
    let state = || workers.rules()[0].decorator.as_ref().unwrap().state().unwrap().word;
    while state() != word {
        assert!(Instant::now() < deadline, "it is still {}", state());
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
        until_state(&workers, "open").await;
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
        until_state(&workers, "closed").await;
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
    until_state(&workers, "open").await;
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
    until_state(&workers, "open").await;
    let status = within(client.repeat(fail(Code::NotFound))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(status.metadata().get("x-sitio-decorator").unwrap(), "circuit-breaker");
}

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
