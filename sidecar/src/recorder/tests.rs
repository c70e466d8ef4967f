//! Tests that the recorder loses nothing, counts nothing twice, and has bounded size.

use mesh::endpoint::Endpoint;
use mesh::exchange::Outcome;
use mesh::golden::CLIENT_GONE;
use mesh::report::Seen;
use mesh::rule::{Action, Protection, Rule, Scope, Selector};

use crate::recorder::completed_exchange::{Author, CompletedExchange};
use crate::recorder::{PlacedRequest, Recorder};
use crate::rulebook::TimedRule;

pub(crate) fn finished(path: &str, status: u16, took_us: u64) -> CompletedExchange<'_> {
    CompletedExchange {
        path,
        started_ms: 1,
        took_us,
        first_byte_us: took_us / 2,
        status,
        author: Author::Service,
        reason: "",
        outcome: Outcome::Answered,
        bytes_in: 1,
        bytes_out: 2,
        rule: None,
        caller: None,
        trace: None,
    }
}

fn exchange(recorder: &mut Recorder, method: &str, path: &str, status: u16, took_us: u64) {
    let PlacedRequest { place, endpoint, .. } = recorder.place(method, path);
    recorder.begin(place);
    recorder.finish(place, &endpoint, &finished(path, status, took_us));
}

#[test]
fn collected_counts_are_not_reported_again() {
    let mut recorder = Recorder::default();
    exchange(&mut recorder, "GET", "/users/1", 200, 10);
    exchange(&mut recorder, "GET", "/users/2", 500, 30);
    let reported = recorder.collect();
    assert_eq!(reported.len(), 1);
    assert_eq!(reported[0].endpoint, Endpoint::named("GET", "/users/{id}").unwrap());
    assert_eq!((reported[0].golden.hits, reported[0].golden.total_us, reported[0].golden.max_us), (2, 40, 30));
    let paths: Vec<&str> = reported[0].recent.iter().map(|exchange| exchange.path.as_str()).collect();
    assert_eq!(paths, ["/users/1", "/users/2"]);
    assert_eq!(recorder.collect(), []);
}

#[test]
fn each_exchange_is_measured_in_full() {
    let mut recorder = Recorder::default();
    let PlacedRequest { place, endpoint, .. } = recorder.place("GET", "/a");
    let reported = [
        CompletedExchange { started_ms: 70, bytes_in: 9, ..finished("/a", 200, 10) },
        CompletedExchange { started_ms: 50, bytes_out: 700, ..finished("/a", 502, 40) },
        CompletedExchange { started_ms: 90, author: Author::Sitio, ..finished("/a", 503, 20) },
        CompletedExchange { rule: Some("r1"), ..finished("/a", 503, 1) },
        CompletedExchange { ..finished("/a", CLIENT_GONE, 5000) },
    ];
    for finished in &reported {
        recorder.begin(place);
        recorder.finish(place, &endpoint, finished);
    }
    let report = &recorder.collect()[0];
    let golden = &report.golden;
    assert_eq!((golden.hits, golden.by_rule, golden.failed, golden.failed_by_sitio, golden.client_gone()), (5, 1, 1, 1, 1));
    assert_eq!((golden.min_us, golden.max_us, golden.total_us), (Some(10), 40, 70), "what the service had time for");
    assert_eq!((golden.first_byte_total_us, golden.first_byte_max_us), (35, 20));
    assert_eq!((golden.bytes_in, golden.bytes_in_max, golden.bytes_out, golden.bytes_out_max), (13, 9, 708, 700));
    assert_eq!(report.seen, Some(Seen { first_ms: 1, last_ms: 90 }));
}

#[test]
fn an_exchange_in_flight_is_reported_until_it_ends() {
    let mut recorder = Recorder::default();
    exchange(&mut recorder, "GET", "/slow", 200, 1);
    recorder.collect();
    let PlacedRequest { place, endpoint, .. } = recorder.place("GET", "/slow");
    recorder.begin(place);
    assert_eq!(recorder.collect()[0].in_flight, 1);
    assert_eq!(recorder.collect()[0].in_flight, 1);
    recorder.finish(place, &endpoint, &finished("/slow", 200, 5));
    assert_eq!(recorder.collect()[0].in_flight, 0);
    assert_eq!(recorder.collect(), []);
}

#[test]
fn the_first_exchange_of_an_endpoint_has_its_name_as_soon_as_it_is_answered() {
    let mut recorder = Recorder::default();
    let PlacedRequest { place, endpoint, .. } = recorder.place("GET", "/socket");
    recorder.begin(place);
    let reported = recorder.collect();
    assert!(
        reported[0].endpoint.is_other() && reported[0].in_flight == 1,
        "no response has shown that there is such an endpoint"
    );
    let place = recorder.settle(place, &endpoint, "/socket", 101);
    let reported: Vec<_> = recorder.collect().into_iter().map(|report| (report.endpoint.to_string(), report.in_flight)).collect();
    assert_eq!(reported, [("(other)".to_owned(), 0), ("GET /socket".to_owned(), 1)]);
    recorder.finish(place, &endpoint, &finished("/socket", 101, 5));
    assert_eq!(recorder.collect().iter().map(|report| (report.in_flight, report.golden.hits)).collect::<Vec<_>>(), [(0, 1)]);
}

#[test]
fn a_rule_is_found_for_an_old_a_new_and_an_overflowing_endpoint() {
    let rule = |route: &str| Rule {
        id: route.to_owned(),
        selector: Selector { namespace: "default".into(), service: "web".into(), pods: vec![] },
        endpoint: Endpoint::named("GET", route).unwrap(),
        action: Action::Disable { status: 503 },
        scope: Scope::default(),
        selection: decorators::selection::Selection::default(),
        protection: Protection::default(),
        expires_ms: None,
        by: String::new(),
        reason: String::new(),
    };
    let mut recorder = Recorder::default();
    exchange(&mut recorder, "GET", "/old", 200, 1);
    recorder.apply_rules(&["/old", "/new", "/late"].map(|route| TimedRule::without_limit(rule(route))));
    let id = |recorder: &mut Recorder, path: &str| recorder.place("GET", path).covering.map(|rules| rules[0].id.to_string());
    assert_eq!(id(&mut recorder, "/old").as_deref(), Some("/old"));
    assert_eq!(id(&mut recorder, "/new").as_deref(), Some("/new"));
    (0..300).for_each(|n| exchange(&mut recorder, "GET", &format!("/p/x{n}y"), 200, 1));
    assert_eq!(id(&mut recorder, "/late").as_deref(), Some("/late"));
    assert_eq!(recorder.place("POST", "/old").covering.map(|rules| rules[0].id.to_string()), None);
    recorder.apply_rules(&[]);
    assert_eq!(id(&mut recorder, "/old"), None);
}

mod callers;
mod flood;
mod pins;
