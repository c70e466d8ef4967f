//! Benchmarks each step of an exchange by itself: parsing a head, finding its endpoint, recording, rewriting the head.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use decorators::selection::Selection;
use divan::{Bencher, black_box};
use mesh::endpoint::Endpoint;
use mesh::exchange::Outcome;
use mesh::routes::route_patterns::{Pattern, Pins};
use mesh::rule::{Protection, Rule, Scope, Selector};
use sidecar::decorator::background::Background;
use sidecar::decorator::catalog::{Catalog, Origin};
use sidecar::decorator::pod_names::PodNames;
use sidecar::exchange::context::WorkerContext;
use sidecar::exchange::decide::{Action, decide};
use sidecar::exchange::decorate;
use sidecar::exchange::options::ProxyOptions;
use sidecar::head::request::RequestHead;
use sidecar::head::{Parsed, request, slots, write};
use sidecar::recorder::completed_exchange::{Author, CompletedExchange};
use sidecar::recorder::{PlacedRequest, Recorder};
use sidecar::rulebook::TimedRule;
use sidecar::target::ServiceAddr;

/// A request as a browser sends it.
const HEAD: &[u8] = b"GET /api/orders/48213?expand=items HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
    Accept: text/html,application/json;q=0.9\r\nAccept-Encoding: gzip, br\r\nAccept-Language: en\r\nCookie: session=8f14e45fceea167a\r\n\
    X-Request-Id: 0f8fad5b-d9cb-469f-a165-70867728950e\r\nConnection: keep-alive\r\n\r\n";

/// The decorators whose cost is measured, each by itself.
const DECORATORS: [(&str, &str); 8] = [
    ("circuit-breaker", r#"{"circuit-breaker":{"failures":5,"error_percent":50}}"#),
    ("error-page", r#"{"error-page":{"on":["5xx"],"html":"<h1>{status}</h1>"}}"#),
    ("headers", r#"{"headers":{"request":{"set":{"X-Tenant":"a"}}}}"#),
    ("rate-limit", r#"{"rate-limit":{"requests":10000000,"per":"100ms"}}"#),
    ("rate-limit by caller", r#"{"rate-limit":{"requests":10000000,"per":"100ms","by":"caller"}}"#),
    ("retry", r#"{"retry":{}}"#),
    ("split", r#"{"split":{"to":"127.0.0.1:8088","percent":50,"by":"cookie:session"}}"#),
    ("timeout", r#"{"timeout":{"response":"2s"}}"#),
];

fn main() {
    divan::main();
}

fn with_head<T>(work: impl FnOnce(&RequestHead<'_, '_>) -> T) -> Option<T> {
    match request::parse(black_box(HEAD), &mut slots()) {
        Parsed::Complete(head, _) => Some(work(&head)),
        _ => None,
    }
}

#[divan::bench]
fn reading_a_head() -> Option<usize> {
    with_head(|head| head.fields.len())
}

#[divan::bench]
fn writing_a_head(bencher: Bencher<'_, '_>) {
    let mut out = Vec::with_capacity(1024);
    with_head(|head| {
        bencher.bench_local(|| {
            out.clear();
            write::request(&mut out, black_box(head), "127.0.0.1:8087", write::Added::default());
            out.len()
        });
    });
}

#[divan::bench(args = ["/", "/api/orders/48213", "/o/550e8400-e29b-41d4-a716-446655440000/items", "/legacy/%65xport"])]
fn naming_an_endpoint(bencher: Bencher<'_, '_>, path: &str) {
    let mut route = String::new();
    bencher.bench_local(|| mesh::routes::write_route(black_box(path), &mut route));
}

/// With so many patterns pinned; the path matches the last.
#[divan::bench(args = [0, 1, 10, 100])]
fn naming_a_pinned_endpoint(bencher: Bencher<'_, '_>, patterns: usize) {
    let patterns: Vec<Pattern> =
        (0..patterns).map(|number| format!("/api/v{number}/orders/{{order}}").parse().expect("a pattern")).collect();
    let path = format!("/api/v{}/orders/48213", patterns.len().max(1) - 1);
    let (pins, mut route) = (Pins::new(&patterns), String::new());
    bencher.bench_local(|| mesh::routes::write_pinned_route(black_box(&path), &[&pins, &Pins::default()], &mut route));
}

/// Requests from so many callers in turn; more than 32 are not distinguished.
#[divan::bench(args = [0, 1, 4, 32, 1000])]
fn recording_an_exchange(bencher: Bencher<'_, '_>, callers: u32) {
    let mut recorder = Recorder::default();
    let (mut took_us, mut turn) = (0, 0);
    bencher.bench_local(|| {
        took_us = (took_us + 37) % 5000;
        turn = if turn + 1 >= callers { 0 } else { turn + 1 };
        let caller = (callers > 0).then(|| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + turn)));
        let PlacedRequest { place, endpoint, covering } = recorder.place("GET", black_box("/api/orders/48213"));
        recorder.begin(place);
        let finished = CompletedExchange {
            path: "/api/orders/48213",
            started_ms: 1,
            took_us,
            first_byte_us: took_us / 2,
            outcome: Outcome::Answered,
            caller,
            trace: None,
            status: 200,
            author: Author::Service,
            reason: "OK",
            bytes_in: 0,
            bytes_out: 512,
            rule: covering.as_ref().map(|rules| &*rules[0].id),
        };
        recorder.finish(place, &endpoint, &finished);
    });
}

/// From the head of a request to the count of its exchange, with one decorator for its endpoint, or none.
#[divan::bench(args = std::iter::once("none").chain(DECORATORS.map(|(name, _)| name)))]
fn an_exchange_with_a_decorator(bencher: Bencher<'_, '_>, name: &str) {
    let worker = WorkerContext::new(Arc::new(ProxyOptions::new(ServiceAddr::Loopback(8087))), Arc::default());
    let actions = DECORATORS.iter().filter(|(known, _)| *known == name);
    let rules: Vec<TimedRule> = actions.map(|(_, json)| decorated(json)).collect();
    worker.apply_rules(&rules);
    with_head(|head| {
        bencher.bench_local(|| {
            let (mut exchange, covering) = worker.begin("GET", black_box(head.target), Instant::now());
            exchange.caller = Some(IpAddr::from(Ipv4Addr::LOCALHOST));
            let is_forwarded = matches!(decide(&worker, &mut exchange, covering.as_ref(), head), Action::Forward(_));
            assert!(is_forwarded, "{name} answers");
            assert!(decorate::after(worker.decorators(), &mut exchange, (200, "OK"), head.fields).is_ok(), "{name} answers");
            exchange.answered(200, "OK");
            worker.finish(exchange, Instant::now());
        });
    });
}

fn decorated(json: &str) -> TimedRule {
    let action = decorators::action::Action::from_json(json).expect("a valid action");
    let pod = PodNames { service: "shop".into(), pod: "shop-1".into() };
    let decorator = Catalog { pod, background: Background::none(), own_ports: Vec::new() }
        .build(&action, Origin::ControlPlane)
        .expect("a decorator");
    let rule = Rule {
        id: "r-1".into(),
        selector: Selector { namespace: "default".into(), service: "shop".into(), pods: Vec::new() },
        endpoint: Endpoint::named("*", "/*").expect("a prefix"),
        scope: Scope::Prefix,
        action: mesh::rule::Action::Decorate(Arc::new(action)),
        selection: Selection::default(),
        protection: Protection::Respected,
        expires_ms: None,
        by: String::new(),
        reason: String::new(),
    };
    TimedRule { decorator, ..TimedRule::without_limit(rule) }
}
