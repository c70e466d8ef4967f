//! Tests: an exchange survives encoding and decoding, and an error names the broken field.

use mesh::exchange::{Exchange, Outcome};
use mesh::trace::Traceparent;

use crate::convert::InvalidMessage;
use crate::convert::exchanges::{exchange, sample};
use crate::wire;

fn whole() -> Exchange {
    let trace = Traceparent::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap().trace;
    Exchange {
        started_ms: 1_544_042_305_989,
        took_us: 71_000,
        first_byte_us: Some(0),
        status: 503,
        reason: "Service Unavailable".into(),
        outcome: Outcome::Rule,
        bytes_in: 1800,
        bytes_out: 802,
        path: "/users/%FF?full=1".into(),
        caller: Some("10.0.0.7".parse().unwrap()),
        trace: Some(trace),
        rule: Some("r1".into()),
    }
}

#[test]
fn an_exchange_survives_the_wire() {
    assert_eq!(exchange(sample(&whole())), Ok(whole()));
    assert_eq!(exchange(sample(&Exchange::default())), Ok(Exchange::default()));
    let six = Exchange { caller: Some("2001:db8::1".parse().unwrap()), ..whole() };
    assert_eq!(exchange(sample(&six)), Ok(six));
    for outcome in Outcome::EACH.into_iter().filter(|outcome| *outcome != Outcome::Unknown) {
        assert_eq!(exchange(sample(&Exchange { outcome, ..whole() })).unwrap().outcome, outcome);
    }
}

#[test]
fn a_word_of_a_later_version_is_no_reason_to_part() {
    let later = wire::Sample { outcome: 4711, ..sample(&whole()) };
    assert_eq!(exchange(later).unwrap().outcome, Outcome::Unknown);
}

#[test]
fn what_a_stranger_puts_into_a_path_does_not_end_the_stream() {
    let sent = Exchange { path: "/a\u{85}b".into(), reason: "tab\there".into(), ..whole() };
    let received = exchange(sample(&sent)).unwrap();
    assert_eq!((received.path.as_str(), received.reason.as_str()), ("/a?b", "tab?here"));
}

#[test]
fn a_broken_sample_is_refused_by_the_name_of_its_field() {
    for (broken, field) in [
        (wire::Sample { path: "/".repeat(257), ..sample(&whole()) }, "sample.path"),
        (wire::Sample { path: "/\n".into(), ..sample(&whole()) }, "sample.path"),
        (wire::Sample { reason: "x".repeat(65), ..sample(&whole()) }, "sample.reason"),
        (wire::Sample { rule: "x".repeat(65), ..sample(&whole()) }, "sample.rule"),
        (wire::Sample { caller: vec![1; 5], ..sample(&whole()) }, "sample.caller"),
        (wire::Sample { trace_id: vec![1; 15], ..sample(&whole()) }, "sample.trace_id"),
        (wire::Sample { trace_id: vec![0; 16], ..sample(&whole()) }, "sample.trace_id"),
        (wire::Sample { status: 1000, ..sample(&whole()) }, "sample.status"),
    ] {
        let refused = exchange(broken).unwrap_err();
        let (InvalidMessage::TooMuch { field: named, .. }
        | InvalidMessage::Senseless { field: named, .. }
        | InvalidMessage::Missing(named)) = refused;
        assert_eq!(named, field);
    }
}
