//! Tests that decorators see, edit, hold and answer exchanges, over HTTP/1 and HTTP/2 alike.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ::decorators::action::Action as Configured;
use ::decorators::selection::Selection;
use mesh::endpoint::Endpoint;
use mesh::exchange::Outcome;
use mesh::rule::{Action, Protection, Rule, Scope, Selector};
use sidecar::decorator::background::Background;
use sidecar::decorator::catalog::{Catalog, Origin};
use sidecar::decorator::pod_names::PodNames;
use sidecar::exchange::options::ProxyOptions;
use sidecar::rulebook::TimedRule;
use sidecar::worker::{RuleSource, Workers};
use sidecar::{Answer, Decorator, FailureMode, Request, Response, Step, on_exchange, on_request, on_status};
use tokio::task::JoinSet;

use crate::support::{PATIENCE, listener, sidecar_with};

/// A service that answers with the status in the query, `/a?404`, and with the request's head as the body.
fn mirror() -> SocketAddr {
    let (listener, address) = listener();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let mut head = String::new();
                    while reader.read_line(&mut head).is_ok_and(|read| read > 0) && !head.ends_with("\r\n\r\n") {}
                    if head.is_empty() {
                        return;
                    }
                    let status = head.split(['?', ' ']).nth(2).and_then(|word| word.parse().ok()).unwrap_or(200_u16);
                    let kind = if head.contains("/json") { "application/json" } else { "text/plain" };
                    let fields = format!("Content-Type: {kind}\r\nX-Powered-By: PHP/4\r\nContent-Length: {}", head.len());
                    if (&stream).write_all(format!("HTTP/1.1 {status} Because\r\n{fields}\r\n\r\n{head}").as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn decorated(decorators: Vec<Arc<dyn Decorator>>) -> (Workers, SocketAddr) {
    sidecar_with(ProxyOptions { decorators, ..ProxyOptions::new(mirror()) }).await
}

/// The response to one request, as text.
fn http1(address: SocketAddr, path: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

/// The same over HTTP/2, in the form of HTTP/1.
pub(crate) async fn http2(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> String {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let mut client = client.ready().await.unwrap();
    let mut request = http::Request::get(format!("http://x{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (response, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
    let response = tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap();
    let mut text = format!("HTTP/2 {}\r\n", response.status());
    for (name, value) in response.headers() {
        text.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
    }
    let mut body = response.into_body();
    while let Some(piece) = body.data().await {
        text += &String::from_utf8_lossy(&piece.unwrap());
    }
    text
}

/// Both protocols: the response must hold for each.
pub(crate) async fn both(address: SocketAddr, path: &str, check: impl Fn(&str)) {
    let over_http1 = tokio::task::spawn_blocking({
        let path = path.to_owned();
        move || http1(address, &path, "")
    });
    check(&over_http1.await.unwrap());
    check(&http2(address, path, &[]).await);
}

pub(crate) fn rule(id: &str, route: &str, json: &str, selection: &str) -> TimedRule {
    let action = Configured::from_json(json).unwrap();
    let pod = PodNames { service: "web".into(), pod: "web-1".into() };
    let decorator =
        Catalog { pod, background: Background::none(), own_ports: Vec::new() }.build(&action, Origin::ControlPlane).unwrap();
    let rule = Rule {
        id: id.into(),
        selector: Selector { namespace: "default".into(), service: "web".into(), pods: vec![] },
        endpoint: Endpoint::named("*", route).unwrap(),
        scope: if route.ends_with("/*") { Scope::Prefix } else { Scope::Endpoint },
        action: match action {
            Configured::Disable(disable) => Action::Disable { status: disable.status },
            action => Action::Decorate(Arc::new(action)),
        },
        selection: Selection::from_json(selection).unwrap(),
        protection: Protection::Respected,
        expires_ms: None,
        by: String::new(),
        reason: String::new(),
    };
    TimedRule { decorator, ..TimedRule::without_limit(rule) }
}

async fn with_rules(rules: Vec<TimedRule>) -> (Workers, SocketAddr) {
    let (workers, address) = decorated(Vec::new()).await;
    workers.apply_rules(RuleSource::ControlPlane, rules).await;
    (workers, address)
}

/// A decorator that leaves its number on both ways.
struct Numbered(u8, Arc<Mutex<Vec<String>>>);
impl Decorator for Numbered {
    fn name(&self) -> &'static str {
        "numbered"
    }
    fn before(&self, request: &mut Request<'_>) -> Step {
        self.1.lock().unwrap().push(format!("before {}", self.0));
        request.set("X-Order", self.0.to_string());
        Step::Pass
    }
    fn after(&self, response: &mut Response<'_>) -> Step {
        self.1.lock().unwrap().push(format!("after {}", self.0));
        response.add("X-Order", self.0.to_string());
        Step::Pass
    }
}

#[tokio::test]
async fn requests_pass_first_to_last_and_responses_last_to_first() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (_workers, address) = decorated((1..=2).map(|number| Arc::new(Numbered(number, Arc::clone(&seen))) as _).collect()).await;
    both(address, "/ok", |response| {
        let lower = response.to_lowercase();
        assert!(lower.contains("x-order: 2\r\nx-order: 1"), "{response}");
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), ["before 1", "before 2", "after 2", "after 1"]);
    })
    .await;
}

#[tokio::test]
async fn closures_decorate_requests_statuses_and_ends() {
    let (failed, ended) = (Arc::new(AtomicU16::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counter, ends) = (Arc::clone(&failed), Arc::clone(&ended));
    let decorators: Vec<Arc<dyn Decorator>> = vec![
        Arc::new(on_request(|request| {
            if request.target() == "/stop" {
                return Step::Answer(Answer::text(418, "short and stout\n"));
            }
            request.set("X-Stamp", "sitio");
            request.remove("Cookie");
            Step::Pass
        })),
        Arc::new(on_status(500..=599, move |response| {
            counter.fetch_add(1, Ordering::Relaxed);
            response.set("X-Seen", response.endpoint().to_string());
        })),
        Arc::new(on_exchange(move |exchange| ends.lock().unwrap().push((exchange.status, exchange.outcome)))),
    ];
    let (_workers, address) = decorated(decorators).await;
    both(address, "/ok", |response| assert!(response.to_lowercase().contains("x-stamp: sitio"), "{response}")).await;
    both(address, "/broken?503", |response| assert!(response.to_lowercase().contains("x-seen: get /broken"), "{response}")).await;
    both(address, "/stop", |response| {
        assert!(response.contains("418") && response.to_lowercase().contains("x-sitio-decorator: on-request"), "{response}");
    })
    .await;
    let cookie = http2(address, "/ok", &[("cookie", "a=b"), ("x-stamp", "forged")]).await;
    assert!(!cookie.contains("a=b") && !cookie.contains("forged"), "{cookie}");
    assert_eq!(failed.load(Ordering::Relaxed), 2);
    let expected = [(200, Outcome::Answered), (503, Outcome::Answered), (418, Outcome::Decorator)].map(|end| [end, end]).concat();
    assert_eq!(ended.lock().unwrap()[..6], expected);
}

/// A decorator that cannot decide.
struct Guard(FailureMode);
impl Decorator for Guard {
    fn name(&self) -> &'static str {
        "guard"
    }
    fn before(&self, _: &mut Request<'_>) -> Step {
        panic!("cannot decide")
    }
    fn failure_mode(&self) -> FailureMode {
        self.0
    }
}

#[tokio::test]
async fn a_guard_that_panics_lets_nothing_through() {
    let (_workers, open) = decorated(vec![Arc::new(Guard(FailureMode::Open))]).await;
    both(open, "/ok", |response| assert!(response.contains(" 200"), "{response}")).await;
    let (_workers, closed) = decorated(vec![Arc::new(Guard(FailureMode::Closed))]).await;
    both(closed, "/ok", |response| assert!(response.contains(" 503") && !response.contains("GET"), "{response}")).await;
}

#[tokio::test]
async fn an_error_page_suits_the_caller_and_leaves_json_alone() {
    let page = r#"{"error-page":{"on":["404","5xx"],"html":"<h1>{status} {path}</h1>","problem":"see {route}","fields":{"X-Page":"1"}}}"#;
    let (_workers, address) = with_rules(vec![rule("r1", "/*", page, "{}")]).await;
    for protocol in ["1", "2"] {
        let get = async |path: &'static str, accept: &'static str| match protocol {
            "1" => tokio::task::spawn_blocking(move || http1(address, path, &format!("Accept: {accept}\r\n"))).await.unwrap(),
            _ => http2(address, path, &[("accept", accept)]).await,
        };
        let html = get("/missing/'b'?404", "text/html").await;
        assert!(html.contains("<h1>404 /missing/&#39;b&#39;</h1>") && html.to_lowercase().contains("x-page: 1"), "{html}");
        let problem = get("/broken?503", "*/*").await;
        assert!(problem.contains("application/problem+json") && problem.contains(r#""detail":"see /broken""#), "{problem}");
        let json = get("/json?404", "text/html").await;
        assert!(json.contains("GET /json?404") || json.contains("application/json"), "the service's own JSON stays: {json}");
        assert!(get("/ok", "text/html").await.contains("200"));
    }
}

#[tokio::test]
async fn a_fault_delays_and_aborts() {
    let delay = r#"{"fault":{"delay":"150ms"}}"#;
    let (_workers, address) = with_rules(vec![
        rule("r1", "/ok", delay, "{}"),
        rule("r2", "/broken", r#"{"fault":{"delay":"150ms","abort":504}}"#, "{}"),
    ])
    .await;
    for path in ["/ok", "/broken?503"] {
        let started = Instant::now();
        both(address, path, |response| {
            let expected = if path == "/ok" { " 200" } else { " 504" };
            assert!(response.contains(expected), "{response}");
        })
        .await;
        assert!(started.elapsed() >= Duration::from_millis(300), "two requests wait 150 ms each");
    }
}

#[tokio::test]
async fn a_request_that_waits_does_not_hold_up_others_of_its_connection() {
    let (_workers, address) = with_rules(vec![rule("r1", "/ok", r#"{"fault":{"delay":"30s"}}"#, "{}")]).await;
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let mut client = client.ready().await.unwrap();
    let get = |path: &str| http::Request::get(format!("http://x{path}")).body(()).unwrap();
    let (held, _) = client.send_request(get("/ok"), true).unwrap();
    let (other, _) = client.send_request(get("/missing?404"), true).unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, other).await.unwrap().unwrap().status(), 404);
    drop(held);
}

#[tokio::test]
async fn a_rate_is_limited_and_the_answer_says_for_how_long() {
    let limit = r#"{"rate-limit":{"requests":2,"per":"1h","by":"header:X-Key"}}"#;
    let (workers, address) = with_rules(vec![rule("r1", "/*", limit, "{}")]).await;
    let get = |key: &str| http1(address, "/ok", &format!("X-Key: {key}\r\n"));
    assert!(get("a").contains(" 200") && get("a").contains(" 200"));
    let refused = get("a");
    assert!(refused.contains("429 Too Many Requests") && refused.contains("Retry-After: "), "{refused}");
    assert!(refused.contains("X-Sitio-Decorator: rate-limit"), "{refused}");
    assert!(get("b").contains(" 200"), "another key has a bucket of its own");
    assert_eq!(workers.rules()[0].totals().acted, 1);
}

#[tokio::test]
async fn a_shadow_counts_and_lets_pass_and_a_caller_is_selected_by_its_network() {
    let (workers, address) = with_rules(vec![
        rule("r1", "/*", r#"{"disable":{"status":503}}"#, r#"{"mode":"shadow"}"#),
        rule("r2", "/missing", r#"{"disable":{"status":410}}"#, r#"{"callers":["127.0.0.0/8"]}"#),
        rule("r3", "/denied", r#"{"disable":{"status":410}}"#, r#"{"callers":["10.0.0.0/8"]}"#),
    ])
    .await;
    both(address, "/ok", |response| assert!(response.contains(" 200"), "{response}")).await;
    both(address, "/missing?404", |response| assert!(response.contains(" 410"), "{response}")).await;
    both(address, "/denied?403", |response| assert!(response.contains(" 403"), "{response}")).await;
    let totals: Vec<_> = workers.rules().iter().map(TimedRule::totals).map(|totals| (totals.acted, totals.shadowed)).collect();
    assert_eq!(totals, [(0, 4), (2, 0), (0, 0)], "the rule for the endpoint itself answers before the shadow is asked");
}

#[tokio::test]
async fn a_percentage_of_the_requests_is_chosen() {
    let (_workers, address) = with_rules(vec![rule("r1", "/*", r#"{"disable":{"status":503}}"#, r#"{"percent":50}"#)]).await;
    let off = (0..200).filter(|_| http1(address, "/ok", "").contains(" 503")).count();
    // Six standard deviations of a fair coin: a test that fails once in 500 million runs.
    assert!((58..=142).contains(&off), "{off} of 200");
}

#[tokio::test]
async fn fields_are_edited_on_both_ways() {
    let headers = r#"{"headers":{"request":{"set":{"X-Tenant":"a"},"remove":["X-Debug"]},"response":{"remove":["X-Powered-By"]},"preset":"security"}}"#;
    let (_workers, address) = with_rules(vec![rule("r1", "/*", headers, "{}")]).await;
    both(address, "/ok", |response| {
        let lower = response.to_lowercase();
        assert!(lower.contains("x-tenant: a") && !lower.contains("php/4"), "{response}");
        assert!(lower.contains("x-content-type-options: nosniff"), "{response}");
    })
    .await;
    assert!(!http1(address, "/ok", "X-Debug: 1\r\nX-Tenant: b\r\n").contains("X-Debug"));
}
