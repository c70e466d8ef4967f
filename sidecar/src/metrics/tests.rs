//! Proofs that Prometheus can read the text, whatever strangers have asked for.

use crate::identity::{Identity, Named};
use crate::ledger::Ledger;
use crate::ledger::tests::counted;
use crate::link::meter::LinkNumbers;
use crate::metrics::text;
use crate::worker::tally::Tally;

fn text_of(ledger: &Ledger) -> String {
    let named = Named { pod: Some("web-0".into()), ..Named::default() };
    let link = LinkNumbers { is_up: true, rules: 2, ..LinkNumbers::default() };
    text(ledger, &Identity::new(named).workload, link, &Tally::default())
}

#[test]
fn buckets_are_cumulative_and_a_value_on_a_bound_is_below_it() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![counted("/a/{id}", 1, &[0, 128, 129, 1_000_000, 100_000_000])]);
    let text = text_of(&ledger);
    let bucket = |le: &str| {
        let start = "http_server_request_duration_seconds_bucket{http_request_method=\"GET\",http_route=\"/a/{id}\",le=\"";
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{start}{le}\"}} ")));
        line.unwrap_or_else(|| panic!("no bucket {le} in {text}")).parse::<u64>().unwrap()
    };
    assert_eq!(["0.000128", "0.000256", "1.048576", "67.108864", "+Inf"].map(bucket), [2, 3, 4, 4, 5]);
    let sum = "http_server_request_duration_seconds_sum{http_request_method=\"GET\",http_route=\"/a/{id}\"} 101.000257\n";
    assert!(text.contains(sum), "{text}");
    let hits = "sitio_requests_total{http_request_method=\"GET\",http_route=\"/a/{id}\",http_response_status_code=\"200\"} 5\n";
    assert!(text.contains(hits), "{text}");
    assert!(text.contains("\nsitio_link_up 1\n") && text.contains("\nsitio_rules 2\n"), "{text}");
    assert!(text.contains("service=\"web\",pod=\"web-0\"} 1\n"), "{text}");
}

#[test]
fn a_route_cannot_end_its_label() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![counted("/\"} 1\\", 0, &[1])]);
    let text = text_of(&ledger);
    assert!(text.contains(r#"http_route="/\"} 1\\""#), "{text}");
}

#[test]
fn every_family_is_announced_once() {
    let mut ledger = Ledger::default();
    ledger.absorb(vec![counted("/a", 0, &[1]), counted("/b", 0, &[1])]);
    let text = text_of(&ledger);
    let mut families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let announced = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), announced);
    assert!(announced >= 15);
}
