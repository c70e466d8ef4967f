//! Tests that request heads are judged as RFC 9112 and RFC 9110 require; the tables are beside this file.
#![expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is not general enough in its lifetimes")]

use crate::head::request::{RequestHead, asked, parse};
use crate::head::response::ResponseTo;
use crate::head::{FIELDS_MAX, Framing, HEAD_BYTES_MAX, Parsed, TARGET_BYTES_MAX, slots};

mod bytes;
mod fields;
mod framing;
mod hosts;
mod lines;

/// A row of a table: name, input, result as [`verdict`] formats it, and the rule it follows from. Rules are
/// sections of RFC 9112 unless another is named. "ours" marks a decision of this project where the RFCs
/// leave a choice.
type Case = (&'static str, &'static str, u16, &'static str);

/// The result as a number: the status of the refusal, 0 for a partial head, 200 for an accepted head.
fn verdict(input: &[u8]) -> u16 {
    match parse(input, &mut slots()) {
        Parsed::Complete(..) => 200,
        Parsed::Partial => 0,
        Parsed::Faulty(fault) => fault.status,
    }
}

/// Checks every case of a table, within the head that `whole` builds around it.
fn judge(cases: &[Case], whole: impl Fn(&str) -> String) {
    for (name, input, expected, rule) in cases {
        let head = whole(input);
        assert_eq!(verdict(head.as_bytes()), *expected, "{name} ({rule}): {head:?}");
        // A refused head is never accepted in part, and an accepted head is never refused too early.
        for end in 0..head.len() {
            let partly = verdict(&head.as_bytes()[..end]);
            assert!(partly == 0 || (*expected != 200 && partly >= 400), "{name} ({rule}): {partly} for {:?}", &head.get(..end));
        }
    }
}

fn with_fields(fields: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

fn look<T>(input: &str, at: impl FnOnce(&RequestHead<'_, '_>) -> T) -> T {
    match parse(input.as_bytes(), &mut slots()) {
        Parsed::Complete(head, _) => at(&head),
        other => panic!("{input:?} is not carried: {other:?}"),
    }
}

#[test]
fn empty_lines_before_a_request_are_skipped_within_reason() {
    assert_eq!(verdict(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_eq!(verdict(b"\r\n"), 0);
    assert_eq!(verdict(b"\r"), 0);
    assert_eq!(verdict(b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_eq!(verdict(b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_eq!(verdict(b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_eq!(verdict(b"\r\n\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_eq!(verdict(b"\r\n GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_eq!(verdict("\r\n".repeat(20).as_bytes()), 400);
}

#[test]
fn heads_have_bounds() {
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(TARGET_BYTES_MAX));
    assert_eq!(verdict(long_target.as_bytes()), 414);
    assert_eq!(verdict(&long_target.as_bytes()[..TARGET_BYTES_MAX + 5]), 0);
    assert_eq!(verdict(format!("GET /{}", "a".repeat(TARGET_BYTES_MAX * 2)).as_bytes()), 414);
    let whole_line = format!("GET /{} HTTP/1.1\r\nHost: a\r\n", "a".repeat(TARGET_BYTES_MAX * 2));
    assert_eq!(verdict(whole_line.as_bytes()), 414, "however the bytes arrive");
    assert_eq!(verdict(format!("{whole_line}\r\n").as_bytes()), 414, "the whole head at once");
    assert_eq!(verdict(format!("{whole_line}{}\r\n", "A: b\r\n".repeat(FIELDS_MAX)).as_bytes()), 414, "with many fields");
    let longest = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(TARGET_BYTES_MAX - 1));
    assert_eq!(verdict(longest.as_bytes()), 200);
    assert_eq!(verdict(&with_fields(&"A: b\r\n".repeat(FIELDS_MAX - 1))), 200);
    assert_eq!(verdict(&with_fields(&"A: b\r\n".repeat(FIELDS_MAX))), 431);
    assert_eq!(verdict(&with_fields(&format!("A: {}\r\n", "b".repeat(HEAD_BYTES_MAX)))), 431);
    assert_eq!(verdict(format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(HEAD_BYTES_MAX)).as_bytes()), 431);
}

#[test]
fn a_head_says_what_it_says() {
    let form = |head: &RequestHead<'_, '_>| (head.authority.map(str::to_owned), head.target.to_owned());
    assert_eq!(look("GET http://b:1/x?y HTTP/1.1\r\nHost: a\r\n\r\n", form), (Some("b:1".into()), "/x?y".into()));
    assert_eq!(look("GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", form), (Some("b".into()), "/".into()));
    assert_eq!(look("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", form), (Some("b".into()), "*".into()));
    assert_eq!(look("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", |head| head.framing), Framing::Length(3));
    assert_eq!(look("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\n", |head| head.framing), Framing::Length(3));
    assert_eq!(look("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n", |head| head.framing), Framing::Chunked);
    assert_eq!(look("PUT / HTTP/1.1\r\nHost: a\r\n\r\n", |head| head.framing), Framing::Empty);
}

#[test]
fn a_connection_is_kept_as_its_options_say() {
    for (line, fields, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive, Close\r\n", false),
        ("1.1", "Connection: close, keep-alive\r\n", false),
        ("1.1", "Connection: a,,close ,b\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection: not-close\r\n", true),
        ("1.1", "Keep-Alive: timeout=0\r\n", true),
        ("1.1", "Proxy-Connection: close\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: Keep-Alive, close\r\n", false),
        ("1.0", "Keep-Alive: timeout=5\r\n", false),
        ("1.0", "Proxy-Connection: keep-alive\r\n", false),
    ] {
        let head = format!("GET / HTTP/{line}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(look(&head, |head| head.is_persistent()), kept, "{head:?}");
    }
}

#[test]
fn only_what_cannot_hide_requests_is_asked_to_be_upgraded_to() {
    for (fields, expected) in [
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", Some("websocket")),
        ("Connection: keep-alive, upgrade\r\nUpgrade: a/1, b\r\n", Some("a/1, b")),
        ("Upgrade: websocket\r\n", None),
        ("Connection: upgrade\r\n", None),
        ("Connection: upgrade\r\nUpgrade:\r\n", None),
        ("Connection: upgrade\r\nUpgrade: h2c\r\n", None),
        ("Connection: upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AA\r\n", None),
        ("Connection: upgrade\r\nUpgrade: websocket, h2c\r\n", None),
        ("Connection: upgrade\r\nUpgrade: h2c, websocket\r\n", None),
        ("Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n", None),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n", None),
        ("Connection: upgrade\r\nUpgrade: h2c/1\r\n", None),
        ("Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n", None),
        ("Connection: upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n", None),
        ("Connection: upgrade\r\nUpgrade: web socket\r\n", None),
        ("Connection: upgrade\r\nUpgrade: a/b/c\r\n", None),
    ] {
        let upgrade = |version: &str| {
            let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
            look(&head, |head| head.connectivity.upgrade.map(|upgrade| String::from_utf8_lossy(upgrade).into_owned()))
        };
        assert_eq!(upgrade("1.1").as_deref(), expected, "{fields:?}");
        assert_eq!(upgrade("1.0"), None, "HTTP/1.0 knows no upgrade (RFC 9110, section 7.8): {fields:?}");
    }
}

#[test]
fn stops_on_the_way_are_counted_for_trace_and_options_alone() {
    for (method, value, expected) in [
        ("TRACE", "0", Some(0)),
        ("OPTIONS", "7", Some(7)),
        ("OPTIONS", "99999999999999999999999", Some(255)),
        ("GET", "0", None),
        ("GET", "x", None),
    ] {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {value}\r\n\r\n");
        assert_eq!(look(&head, |head| head.forwards_left()), expected, "{head:?}");
    }
}

#[test]
fn a_refusal_of_head_has_no_body_even_if_the_rest_is_unreadable() {
    assert_eq!(asked(b"HEAD / HTTP/1.1\r\nA B: c\r\n\r\n"), ResponseTo::HeadOnly);
    assert_eq!(asked(b"\r\nHEAD  / HTTP/1.1\r\n\r\n"), ResponseTo::HeadOnly);
    assert_eq!(asked(b"HEADER / HTTP/1.1\r\n\r\n"), ResponseTo::Whole);
}

#[test]
fn a_version_is_judged_the_same_wherever_it_is_cut() {
    for (line, status) in
        [("GET / HTTP/2.0\r\n", 505), ("GET / HTTP/0.9\r\n", 505), ("GET / HTTX/1.1\r\n", 400), ("GET / HTTP/1.10\r\n", 400)]
    {
        for end in 1..line.len() - 1 {
            let said = match parse(&line.as_bytes()[..end], &mut slots()) {
                Parsed::Faulty(fault) => Some(fault.status),
                _ => None,
            };
            assert!(said.is_none_or(|said| said == status), "{:?} is answered {said:?}", &line[..end]);
        }
        let mut room = slots();
        let whole = parse(line.as_bytes(), &mut room);
        assert!(matches!(whole, Parsed::Faulty(fault) if fault.status == status), "{line:?}: {whole:?}");
    }
}
