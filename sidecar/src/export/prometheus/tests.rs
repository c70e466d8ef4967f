//! Tests that the page shows what was counted, whatever paths clients have requested.

use std::sync::Arc;
use std::time::{Duration, Instant};

use decorators::selection::Selection;
use exposition::format::Format;
use exposition::page::Exposition;
use mesh::endpoint::Endpoint;
use mesh::exchange::Outcome;
use mesh::refusal::RefusalReason;
use mesh::rule::{Action, Protection, Rule, Scope, Selector};

use crate::control_client::metrics::ControlClientCounts;
use crate::decorator::EndedExchange;
use crate::decorator::background::Background;
use crate::decorator::catalog::{Catalog, Origin};
use crate::decorator::pod_names::PodNames;
use crate::exchange::shared_counters::SharedCounters;
use crate::export::access_log::LineCounts;
use crate::export::otlp::Exported;
use crate::export::prometheus::{ProcessFacts, page, rules};
use crate::identity::{Identity, PodDescription};
use crate::ledger::Ledger;
use crate::ledger::tests::counted;
use crate::ledger::windows::Moment;
use crate::rulebook::TimedRule;

fn text_of(ledger: &mut Ledger) -> String {
    let workload = Identity::new(PodDescription { pod: Some("web-0".into()), ..PodDescription::default() }).workload;
    let control_client = ControlClientCounts { is_up: true, rules: 2, ..ControlClientCounts::default() };
    let counters = SharedCounters::default();
    (0..2).for_each(|_| counters.count_refused(RefusalReason::Target));
    let facts = ProcessFacts {
        workload: &workload,
        control_client,
        counters: &counters,
        access_log: &LineCounts::default(),
        exported: &Exported::default(),
        rules: &[],
        now_ms: 1_700_000_042_000,
    };
    String::from_utf8(page(ledger, &facts).encode(Format::Text)).unwrap()
}

#[test]
fn all_counts_are_exposed() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![counted("/a/{id}", 1, &[0, 250_000, 250_001, 1_000_000, 100_000_000])]);
    let text = text_of(&mut ledger);
    let of_a = "http_request_method=\"GET\",http_route=\"/a/{id}\"";
    for (line, value) in [
        (format!("http_server_request_duration_seconds_bucket{{le=\"0.25\",{of_a}}}"), "2"),
        (format!("http_server_request_duration_seconds_bucket{{le=\"1.0\",{of_a}}}"), "4"),
        (format!("http_server_request_duration_seconds_bucket{{le=\"+Inf\",{of_a}}}"), "5"),
        (format!("http_server_request_duration_seconds_sum{{{of_a}}}"), "101.500001"),
        (format!("http_server_active_requests{{{of_a}}}"), "1"),
        (format!("sitio_requests_total{{{of_a},http_response_status_code=\"200\"}}"), "5"),
        ("sitio_requests_overflow_total".to_owned(), "0"),
        ("sitio_requests_refused_total{reason=\"target\"}".to_owned(), "2"),
        ("sitio_requests_refused_total{reason=\"http2\"}".to_owned(), "0"),
        ("sitio_link_up".to_owned(), "1"),
        ("sitio_rules".to_owned(), "2"),
    ] {
        assert!(text.lines().any(|reported| reported == format!("{line} {value}")), "{line} {value} is missing in {text}");
    }
    assert!(text.contains("service=\"web\",pod=\"web-0\"} 1\n"), "{text}");
}

#[test]
fn waiting_windows_have_an_age() {
    let mut ledger = Ledger::default();
    assert!(!text_of(&mut ledger).contains("sitio_windows"), "without a link none are kept");
    ledger.keep_windows();
    ledger.absorb(vec![counted("/a", 0, &[1])]);
    ledger.close_window(Moment { unix_ms: 1_700_000_010_000, at: Instant::now() });
    let text = text_of(&mut ledger);
    for line in ["sitio_windows_held 1", "sitio_windows_oldest_age_seconds 32", "sitio_windows_acked_total 0"] {
        assert!(text.lines().any(|reported| reported == line), "{line} is missing in {text}");
    }
}

fn decorated(id: &str, json: &str) -> TimedRule {
    let action = decorators::action::Action::from_json(json).unwrap();
    let pod = PodNames { service: "web".into(), pod: "web-0".into() };
    let decorator =
        Catalog { pod, background: Background::none(), own_ports: Vec::new() }.build(&action, Origin::ControlPlane).unwrap();
    let rule = Rule {
        id: id.into(),
        selector: Selector { namespace: String::new(), service: String::new(), pods: Vec::new() },
        endpoint: Endpoint::named("GET", "/a").unwrap(),
        scope: Scope::Endpoint,
        action: Action::Decorate(Arc::new(action)),
        selection: Selection::default(),
        protection: Protection::Respected,
        expires_ms: None,
        by: String::new(),
        reason: String::new(),
    };
    TimedRule { decorator, ..TimedRule::without_limit(rule) }
}

/// Lets the rule's decorator see the end of an exchange that the service answered with 500.
fn fail(timed: &TimedRule) {
    let second = Duration::from_secs(1);
    timed.decorator.as_ref().unwrap().ended(&EndedExchange {
        endpoint: &timed.rule.endpoint,
        status: 500,
        service_status: Some(500),
        outcome: Outcome::Answered,
        first_byte: second,
        took: second,
        plan: None,
    });
}

#[test]
fn circuits_and_splits_are_shown_by_their_rules() {
    let [failing, working] = ["r-1", "r-2"].map(|id| decorated(id, r#"{"circuit-breaker":{"failures":1}}"#));
    let split = decorated("r-3", r#"{"split":{"to":"127.0.0.1:8088","percent":10}}"#);
    fail(&failing);
    (0..3).for_each(|_| fail(&split));
    let mut page = Exposition::default();
    rules(&mut page, &[failing, working, split]);
    let text = String::from_utf8(page.encode(Format::Text)).unwrap();
    for line in [
        "sitio_circuit_breaker_open{rule=\"r-1\"} 1",
        "sitio_circuit_breaker_open{rule=\"r-2\"} 0",
        "sitio_split_requests_total{rule=\"r-3\",side=\"own\",http_response_status_code=\"500\"} 3",
        "sitio_split_request_duration_seconds_count{rule=\"r-3\",side=\"own\"} 3",
        "sitio_split_request_duration_seconds_count{rule=\"r-3\",side=\"other\"} 0",
        "sitio_split_p_value{rule=\"r-3\",measure=\"errors\"} 1.0",
        "sitio_split_differs{rule=\"r-3\",measure=\"latency\"} 0",
    ] {
        assert!(text.lines().any(|reported| reported == line), "{line} is missing in {text}");
    }
}

#[test]
fn a_route_cannot_end_its_label() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![counted("/\"} 1\\", 0, &[1])]);
    let text = text_of(&mut ledger);
    assert!(text.contains(r#"http_route="/\"} 1\\""#), "{text}");
}

#[test]
fn every_family_is_announced_once() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![counted("/a", 0, &[1]), counted("/b", 0, &[1])]);
    let text = text_of(&mut ledger);
    let mut families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let announced = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), announced);
    assert!(announced >= 15);
}
